"""How Sphinx builds the gallery: `sphinx-build docs site`.

`-D gallery_options="epochs=1, samples=200"` runs all recipes small, to see that pages can be made.
"""

import logging
import os
from pathlib import Path
import sys
import tempfile

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}

import dlnotes  # noqa: E402
import gallery_pages  # noqa: E402
import reference_pages  # noqa: E402

project = html_title = "dlnotes"
version = release = dlnotes.__version__
language = "en"
html_show_copyright = False
smartquotes = False
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design"]
exclude_patterns = ["_generated"]

nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_output_stderr = "remove"
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}
myst_enable_extensions = ["attrs_inline", "colon_fence", "fieldlist"]
myst_heading_anchors = 3

default_role = "py:obj"
add_module_names = False
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Call arguments", "params_style")]
python_maximum_signature_line_length = 72
toc_object_entries_show_parents = "hide"

html_theme = "furo"
pygments_style = "github-light"
pygments_dark_style = "github-dark"
html_static_path = ["_static"]
html_css_files = ["gallery.css"]
html_js_files = ["gallery.js"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b57a4", "color-brand-content": "#0b57a4"},
    "dark_css_variables": {"color-brand-primary": "#8ab8f0", "color-brand-content": "#8ab8f0"},
}


def quiet_kernels(app, config):
    """Kernels with a configuration of their own, not that of the person, which report errors."""
    folder = tempfile.TemporaryDirectory()
    profile = Path(folder.name, "profile_default")
    profile.mkdir()
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")
    os.environ["IPYTHONDIR"] = folder.name
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    app.connect("build-finished", lambda *_: folder.cleanup())


def write_pages(app, config):
    gallery_pages.write(DOCS, config.gallery_options)


def spread_recipes(app, env, docnames):
    """Spreads the recipes over the list, so that parallel readers get equal shares of them."""
    recipes = [name for name in docnames if name.startswith("recipes/")]
    others = [name for name in docnames if name not in recipes]
    for number, name in enumerate(recipes):
        others.insert(number * (len(docnames) // len(recipes)), name)
    docnames[:] = others


def setup(app):
    app.add_config_value("gallery_options", "", "env", str)
    app.connect("config-inited", quiet_kernels)
    app.connect("config-inited", write_pages)
    app.connect("env-before-read-docs", spread_recipes)
    app.connect("autodoc-process-docstring", reference_pages.mend_docstring, priority=400)
    app.connect("autodoc-process-signature", reference_pages.mend_signature)
    app.connect("autodoc-skip-member", reference_pages.skip_member)
