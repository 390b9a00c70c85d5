"""Code that shows a reader nothing goes to the end of its page, into one fold.

A chapter opens with its question, so its parameters, its imports, the cells that only compute the numbers of
the prose, and the lines that name a model and a text by their hashes come last. The notebook keeps its order.
"""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TITLE = "Parameters, setup and provenance of this page"
HIDING = 199  # the priority at which myst_nb puts hidden code behind toggles
PROVENANCE = "sha256"


def output_of(cell: nodes.Element) -> nodes.Element | None:
    return next((node for node in cell.children if node.get("nb_element") == "cell_code_output"), None)


def shows_nothing(output: nodes.Element | None) -> bool:
    """Whether a reader would see none of an output: it is empty, or holds values for the prose alone."""
    if output is None:
        return True
    kinds = (nodes.image, nodes.table, nodes.raw, nodes.math_block, nodes.figure)
    return not output.astext().strip() and not any(True for kind in kinds for _ in output.findall(kind))


def split_provenance(cell: nodes.Element) -> list[nodes.Element]:
    """Take out of a cell the printed blocks that name what was measured by its hash."""
    output = output_of(cell)
    if output is None:
        return []
    blocks = [block for block in output.findall(nodes.literal_block) if PROVENANCE in block.astext()]
    for block in blocks:
        block.parent.remove(block)
    if shows_nothing(output):
        cell.remove(output)
    return blocks


def is_setup(cell: nodes.Element) -> bool:
    hidden = cell.get("hide_mode") in ("input", "all")
    return "tag_parameters" in cell["classes"] or (hidden and shows_nothing(output_of(cell)))


class SetupFold(SphinxPostTransform):
    default_priority = HIDING - 1
    formats = ("html",)

    def run(self, **kwargs) -> None:
        moved: list[nodes.Node] = []
        for cell in [*self.document.findall(nodes.container)]:
            if cell.get("nb_element") == "cell_code":
                printed = split_provenance(cell)
                if is_setup(cell):
                    cell.parent.remove(cell)
                    cell["hide_mode"] = None  # one fold is enough
                    moved.append(cell)
                moved += printed
        section = next(iter(self.document.findall(nodes.section)), None)
        if moved and section is not None:
            opening = f'<details class="setup-fold"><summary>{TITLE}</summary>'
            section += [
                nodes.raw("", opening, format="html"),
                *moved,
                nodes.raw("", "</details>", format="html"),
            ]


def setup(app) -> dict:
    app.add_post_transform(SetupFold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
