"""Walk through the built book in a real browser: python tools/browse.py check, or shots.

    check [PAGE ...]    every page, or those named, opened from the folder as from a USB stick: no error in
    the console, no request that fails or leaves the site, every link and anchor leads somewhere, equations
    are set, nothing is wider than a phone, a slide holds what is on it, a page weighs at most 1.5 MB, and
    axe-core finds no violation of WCAG A or AA in either color mode. A line for each fault; the exit status
    is 1 if there is any.
    shots [PAGE ...]    pictures at three widths in both color modes, into _build/shots, to look at

Chromium and its driver come from the system (Debian: chromium, chromium-driver), axe-core from the wheel
axe-playwright-python, of which only axe.min.js is used, or from the file that the variable AXE names.
"""

import gzip
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
SHOTS = ROOT / "_build" / "shots"
WEIGHT = 1_500_000  # bytes of a page with all that it loads, text compressed as hosts send it
TEXT = (".html", ".css", ".js", ".json", ".svg")
WIDTHS = (390, 768, 1440)
MODES = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

IMAGES = "return [...document.images].map((image) => image.src)"
UNSET = """return [...document.querySelectorAll('.math:not(script)')].filter(
    (element) => !element.querySelector('mjx-container') || element.querySelector('mjx-merror')
).map((element) => element.textContent.slice(0, 60))"""
READY = """const done = arguments[0];
Promise.resolve(globalThis.MathJax?.startup?.promise).then(() => document.fonts.ready).then(() => done())"""
VIOLATIONS = """const done = arguments[1], options = {runOnly: arguments[0], resultTypes: ['violations']};
axe.run(document, options).then((found) => done(found.violations.map(
    ({id, nodes}) => `${id}: ${nodes.length} × ${nodes[0].html.slice(0, 120)}`)))"""

# What of a deck reaches beyond the part of its slide that is for it: the last 44 pixels are for the links.
BEYOND = """const done = arguments[0];
const measure = async () => {
    await Promise.allSettled([...document.images].map((image) => image.decode()));
    const found = [];
    Reveal.getSlides().forEach((slide, index) => {
        Reveal.slide(index);
        const box = slide.getBoundingClientRect(), scale = Reveal.getScale();
        for (const element of slide.querySelectorAll('.frame *')) {
            // Parts of an equation may reach far beyond it, cut off by its own boxes.
            if (element.closest('aside') || element.parentElement.closest('mjx-container')) continue;
            const part = element.getBoundingClientRect();
            const down = (part.bottom - box.top) / scale - 676;
            const right = (part.right - box.left) / scale - 1240;
            if (down > 1 || right > 1) {
                found.push(`slide ${index + 1} is too ${down > 1 ? 'tall' : 'wide'}, by `
                    + `${Math.round(Math.max(down, right))} px: ${element.tagName.toLowerCase()}`);
                return;
            }
        }
    });
    done(found);
};
if (Reveal.isReady()) measure();
else Reveal.on('ready', measure);"""


def axe() -> str:
    """The text of axe-core. Exits with a line if it is not installed."""
    if named := os.environ.get("AXE"):
        return Path(named).read_text(encoding="utf-8")
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "no axe-core: pip install --no-deps axe-playwright-python, or set AXE to its axe.min.js"
        )
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def open_browser():
    """Chromium without a window. Exits with a line if the system lacks it."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        raise SystemExit(
            f"{' and '.join(missing)} not found: on Debian, apt install chromium chromium-driver"
        )
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    os.environ |= {"SE_AVOID_STATS": "true", "SE_OFFLINE": "true", "NO_PROXY": "localhost,127.0.0.1"}
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=programs["chromedriver"]))
    driver.command_executor.client_config.timeout = 600  # axe needs long for the index of the library
    driver.set_script_timeout(500)
    return driver


def resize(driver, width: int, height: int) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def show(driver, page: Path, mode: str) -> None:
    """Open a page in a color mode, and wait until its equations are set."""
    script = f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')"
    found = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    driver.get(page.as_uri())
    driver.execute_async_script(READY)
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", found)


def traffic(driver) -> list[dict[str, Any]]:
    """The messages of the network since the last time."""
    return [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]


def asked(messages: list[dict[str, Any]]) -> list[str]:
    """The addresses that a page asked for. A page opened from a folder keeps no other record of them."""
    began = (message["params"] for message in messages if message["method"] == "Network.requestWillBeSent")
    return [params["request"]["url"] for params in began]


def complaints(driver, messages: list[dict[str, Any]]) -> Iterator[str]:
    """What the console says since the last time, and what is wrong with the network's messages."""
    for entry in driver.get_log("browser"):
        if entry["level"] in ("WARNING", "SEVERE"):
            yield f"console: {entry['message']}"
    for address in asked(messages):
        if not address.startswith(("file:", "data:", "blob:")):
            yield f"asks another place: {address}"
    for message in messages:
        if message["method"] == "Network.loadingFailed" and not message["params"].get("canceled"):
            yield f"a request failed: {message['params']['errorText']}"


def sent(file: Path) -> int:
    """Bytes of a file as a host sends it: text is compressed."""
    return len(gzip.compress(file.read_bytes())) if file.suffix in TEXT else file.stat().st_size


def weight(page: Path, loaded: list[str]) -> int:
    """Bytes of a page and of the files that it loads or will load, as a host sends them."""
    files = {Path(unquote(urlsplit(address).path)) for address in loaded if address.startswith("file:")}
    return sum(sent(file) for file in files | {page} if file.is_file())


@cache
def names(page: Path) -> frozenset[str]:
    """The places of a page that a link can lead to."""
    return frozenset(re.findall(r'\s(?:id|name)="([^"]+)"', page.read_text(encoding="utf-8")))


def doubled_names(page: Path) -> Iterator[str]:
    found = Counter(re.findall(r'\sid="([^"]+)"', page.read_text(encoding="utf-8")))
    yield from (f"an id stands {count} times: {name}" for name, count in found.items() if count > 1)


def dead_links(page: Path) -> Iterator[str]:
    for address in re.findall(r'<a\b[^>]*?\shref="([^"]*)"', page.read_text(encoding="utf-8")):
        parts = urlsplit(address.replace("&amp;", "&"))
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists():
            yield f"a link leads nowhere: {address}"
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in names(target):
            yield f"a link leads to no place of {target.name}: {address}"


def beyond_slides(driver, page: Path) -> list[str]:
    """What is too large for its slide, a line for each slide of a deck, at 1280 by 720 pixels."""
    resize(driver, 1280, 720)
    show(driver, page, "light")
    return driver.execute_async_script(BEYOND)


def faults(driver, page: Path, rules: str) -> Iterator[str]:
    """What is wrong with a page, a line each."""
    yield from dead_links(page)
    yield from doubled_names(page)
    resize(driver, 390, 844)
    show(driver, page, "light")
    messages = traffic(driver)
    yield from complaints(driver, messages)
    wide = driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        yield f"is wider than a phone by {wide} px"
    heavy = weight(page, asked(messages) + driver.execute_script(IMAGES))
    if heavy > WEIGHT:
        yield f"weighs {heavy / 1e6:.2f} MB"
    yield from (f"an equation is not set: {text}" for text in driver.execute_script(UNSET))
    if 'class="reveal"' in page.read_text(encoding="utf-8"):
        yield from beyond_slides(driver, page)
    resize(driver, 1440, 1000)
    for mode in MODES:
        show(driver, page, mode)
        driver.execute_script(rules)
        yield from (f"axe, {mode}: {line}" for line in driver.execute_async_script(VIOLATIONS, RULES))
        list(complaints(driver, traffic(driver)))


def check(pages: list[Path]) -> int:
    """Print the faults of pages; how many there are."""
    driver, rules, count = open_browser(), axe(), 0
    try:
        for page in pages:
            for line in dict.fromkeys(faults(driver, page, rules)):
                print(f"{page.relative_to(SITE)}: {line}", flush=True)
                count += 1
    finally:
        driver.quit()
    print(f"{len(pages)} pages, {count} faults")
    return count


# Images that a reader has not scrolled to are not loaded; in a picture of a whole page they have to be.
ALL_IMAGES = """
const done = arguments[0];
document.querySelectorAll("img").forEach(image => { image.loading = "eager"; });
Promise.allSettled([...document.images].map(image => image.decode())).then(() => done());
"""


def shots(pages: list[Path]) -> int:
    """Pictures of pages, whole; how many went wrong, which is none."""
    driver = open_browser()
    SHOTS.mkdir(parents=True, exist_ok=True)
    try:
        for page in pages:
            for width in WIDTHS:
                for mode in MODES:
                    resize(driver, width, 1000)
                    show(driver, page, mode)
                    driver.execute_async_script(ALL_IMAGES)
                    height = driver.execute_script("return document.documentElement.scrollHeight")
                    resize(driver, width, min(height, 16_000))
                    name = page.relative_to(SITE).with_suffix("").as_posix().replace("/", "-")
                    driver.save_screenshot(str(SHOTS / f"{name}-{width}-{mode}.png"))
    finally:
        driver.quit()
    print(f"{len(pages) * len(WIDTHS) * len(MODES)} pictures in {SHOTS.relative_to(ROOT)}")
    return 0


COMMANDS = {"check": check, "shots": shots}


def main(arguments: list[str]) -> int:
    command, *chosen = arguments or [""]
    if command not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    if not SITE.is_dir():
        print(f"{SITE.relative_to(ROOT)} is not there: make book", file=sys.stderr)
        return 2
    pages = [SITE / name for name in chosen] or sorted(SITE.rglob("*.html"))
    pages = [page for page in pages if "_static" not in page.parts]
    if missing := [page for page in pages if not page.is_file()]:
        print(f"{missing[0].relative_to(SITE)} must be a page of {SITE.relative_to(ROOT)}", file=sys.stderr)
        return 2
    return 1 if COMMANDS[command](pages) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
