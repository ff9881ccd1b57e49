"""Settings of the documentation site: ``python -m sphinx -W -b html docs docs/_build/html``."""

import sys
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import skgd

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skgd"
author = "The skgd developers"
copyright = "The skgd developers, BSD-3-Clause"
version = release = skgd.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "play",
    "public_names",
    "run_pages",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # links to headings of a page, as #the-learning-rate
suppress_warnings = [
    "config.cache",  # the gallery's settings hold a class, which isn't kept between builds
    "ref.term",  # docstrings that are inherited name terms of scikit-learn's glossary
]

autosummary_generate = False  # pages of the API reference come from public_names
autodoc_typehints = "none"  # docstrings tell types, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 90  # longer ones get a line for each parameter

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# What builds on what; * are all others
LESSONS = [
    "plot_root_of_a_cubic.py",
    "plot_gradient_ascent.py",
    "plot_random_starts_on_a_surface.py",
    "plot_optimizers_in_a_valley.py",
    "plot_learning_rates.py",
    "plot_feature_scaling.py",
    "plot_batch_sizes.py",
    "plot_taylor.py",
    "plot_local_minima_and_saddles.py",
    "plot_stopping.py",
    "*",
    "plot_noisy_parabola.py",
    "plot_perceptron_step_by_step.py",
    "plot_numpy_network.py",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("skgd",),
    "reference_url": {"skgd": None},
    "filename_pattern": r"plot_",
    "within_subsection_order": ExplicitOrder(LESSONS),
    "ignore_pattern": r"^(?!plot_)",
    "abort_on_example_error": True,
    "matplotlib_animations": True,
    "capture_repr": (),  # what a cell returns is for the program; what it prints is for the reader
    "download_all_examples": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,  # seconds of the machine that built the site tell readers nothing
}

html_title = "skgd"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["skgd.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": f"skgd {release}",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "play": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages without others below them have nothing to show on the left.
html_sidebars = {
    page: []
    for page in (
        "index",
        "getting_started",
        "play",
        "contributing",
        "changelog",
        "search",
        "genindex",
    )
}
