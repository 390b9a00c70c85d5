"""The page of a report: it asks for nothing, and shows what a model's files say without obeying it."""

import re

import nbformat
from reports import Page

from rope_lib import report
from rope_lib.report.page import page


def notebook_of(*outputs, **metadata):
    cell = nbformat.v4.new_code_cell("1", outputs=list(outputs), metadata=metadata)
    return nbformat.v4.new_notebook(cells=[cell])


def test_what_a_models_files_say_is_shown_and_not_obeyed():
    hostile = "<script src=//x.y></script> ![p](http://x.y/p.png) | `a` **b** [c](d)"
    said = report.text.plain(hostile)
    output = nbformat.v4.new_output("display_data", {"text/markdown": f"| a |\n| --- |\n| {said} |"})
    html = page(notebook_of(output), "<b>title</b>", {"Model": "<i>x</i>"})
    cell = re.search(r"<td>(.*?)</td>", html).group(1)
    assert re.sub(r"&lt;", "<", re.sub(r"&gt;", ">", cell)) == hostile
    assert "&lt;b&gt;title" in html
    assert "&lt;i&gt;x" in html
    raw = nbformat.v4.new_output("display_data", {"text/markdown": hostile})
    assert not Page(page(notebook_of(raw), "t", {})).images
    assert "<script" not in page(notebook_of(raw), "t", {})


def test_the_page_keeps_parameters_and_errors_of_libraries_to_itself():
    noise = nbformat.v4.new_output("stream", name="stderr", text="a warning")
    assert "a warning" not in page(notebook_of(noise), "t", {})
    said = nbformat.v4.new_output("stream", name="stdout", text="a line & more")
    assert "<pre>a line &amp; more</pre>" in page(notebook_of(said), "t", {})
    assert "a line" not in page(notebook_of(said, tags=["parameters"]), "t", {})
