"""The page that one can play with, in Chromium: needs selenium, a Chromium and its driver.

With SKGD_SITE, the folder of a built site, the page is that of the site, else it stands alone.
"""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from skgd.optimizers import SGD

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.select import Select  # noqa: E402

DOCS = Path(__file__).parents[1] / "docs"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("needs Chromium and chromedriver on PATH", allow_module_level=True)

DESKTOP, PHONE = (1400, 1000), (375, 667)
CONTROLS = "#play-function, #play-optimizer, #play-canvas, .play button, .play input, .play-experiments a, #play-table"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    if "SKGD_SITE" in os.environ:
        return (Path(os.environ["SKGD_SITE"]) / "play.html").resolve(strict=True).as_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS / "_ext")
        import play_script
    file = tmp_path_factory.mktemp("play") / "play.html"
    file.write_text(play_script.page(), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


class Page:
    """What one sees and does."""

    def __init__(self, chromium):
        self.chromium = chromium

    def __getitem__(self, name):
        return self.chromium.find_element("id", f"play-{name}")

    def text(self, name):
        return self[name].text

    def picture(self, name="canvas"):
        """A number that changes with it."""
        digest = """
            const text = arguments[0].toDataURL();
            let sum = 0;
            for (let k = 0; k < text.length; k++) sum = (31 * sum + text.charCodeAt(k)) | 0;
            return sum;
        """
        return self.chromium.execute_script(digest, self[name])

    def steps(self):
        return int(self.text("time-value").split()[0])

    def last_row(self):
        cells = self.chromium.find_elements("css selector", "#play-table tbody tr:last-child td")
        return [float(cell.text.replace("\N{MINUS SIGN}", "-")) for cell in cells]

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def motion(self, value):
        features = [{"name": "prefers-reduced-motion", "value": value}]
        self.chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def wait_until(self, condition):
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture
def page(chromium, address):
    """The page as it is first seen; afterwards the browser has complained of nothing, and asked no one for anything."""
    page = Page(chromium)
    page.resize(*DESKTOP)
    page.motion("reduce")
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    chromium.get(address)
    yield page
    said = [entry["message"] for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert [message for message in said if "pydata-sphinx-theme.js" not in message] == []
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


def test_the_rate_is_moved_and_the_path_is_that_of_update(page):
    before = [page.picture(), page.picture("curve"), page.text("status")]
    page["rate"].send_keys(Keys.ARROW_LEFT * 10)
    after = [page.picture(), page.picture("curve"), page.text("status")]
    assert all(a != b for a, b in zip(before, after, strict=True))
    rate = float(page.text("rate-value"))
    assert 0.5 < rate < 0.6
    x, optimizer = np.array([-7.0, 2.0]), SGD(learning_rate=rate)
    for _ in range(100):
        optimizer.update(x, np.array([x[0] / 10, 2 * x[1]]))
    step, *shown = page.last_row()
    assert step == 100
    np.testing.assert_allclose(shown, [*x, x[0] ** 2 / 20 + x[1] ** 2, x[0] / 10, 2 * x[1]], rtol=0.05)


def test_a_click_and_arrow_keys_move_the_start(page):
    canvas = page["canvas"]
    webdriver.ActionChains(page.chromium).move_to_element_with_offset(canvas, 21, -20).click().perform()
    page["reset"].click()
    (step, x, y, *_), name = page.last_row(), canvas.get_attribute("aria-label")
    assert step == 0
    np.testing.assert_allclose([x, y], [-2, 0], atol=0.2)  # the middle of the axes, between -8 and 4
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    page["reset"].click()
    _, right, up, *_ = page.last_row()
    assert x < right < x + 0.5
    assert y < up < y + 0.5
    assert canvas.get_attribute("aria-label") != name


def test_steps_are_played_paused_made_one_by_one_and_taken_back_by_keys(page):
    page["play"].send_keys(Keys.ENTER)
    assert page.text("play") == "Pause"
    page.wait_until(lambda: page.steps() > 2)
    page["play"].send_keys(Keys.SPACE)
    assert page.text("play") == "Play"
    paused, picture = page.steps(), page.picture()
    assert 2 < paused < 100
    page["step"].send_keys(Keys.ENTER)
    assert page.steps() == page.last_row()[0] == paused + 1
    assert page.picture() != picture
    page["time"].send_keys(Keys.ARROW_RIGHT)
    assert page.steps() == paused + 2
    page["time"].send_keys(Keys.END, Keys.ARROW_LEFT * 3)
    page["play"].send_keys(Keys.ENTER)
    page.wait_until(lambda: page.text("play") == "Play")
    assert page.steps() == 100
    page["reset"].send_keys(Keys.SPACE)
    assert page.steps() == page.last_row()[0] == 0


def test_experiments_set_the_page(page):
    rate, momentum, adagrad = page.chromium.find_elements("css selector", ".play-experiments a")
    rate.click()
    page.wait_until(lambda: page.text("rate-value") == "1.02")
    assert "above the start" in page.text("status")
    momentum.click()
    page.wait_until(lambda: page.text("momentum-value") == "0.8")
    assert page.last_row()[3] < 1e-5
    adagrad.click()
    page.wait_until(lambda: Select(page["optimizer"]).first_selected_option.text == "AdaGrad")
    assert page.chromium.find_elements("css selector", "#play-knobs input") == []
    assert page.last_row()[1] < -2  # it doesn't arrive
    page.motion("no-preference")
    rate.click()
    page.wait_until(lambda: page.text("play") == "Pause" and page.steps() > 1)


def test_the_address_leads_back(page, address):
    Select(page["optimizer"]).select_by_visible_text("Adam")
    page["beta1"].send_keys(Keys.ARROW_LEFT)
    page.wait_until(lambda: "beta1=0.89" in page.chromium.current_url)
    seen, place = [page.picture(), page.last_row()], page.chromium.current_url
    page.chromium.get("about:blank")
    page.chromium.get(place)
    assert [page.picture(), page.last_row()] == seen
    page.chromium.get("about:blank")
    page.chromium.get(f"{address}#three-experiments")  # a heading
    assert page.text("rate-value") == "0.9"


def test_all_functions_and_optimizers_are_drawn(page):
    page.resize(*PHONE)  # small pictures are drawn sooner
    pictures = set()
    for name in ("function", "optimizer"):
        for option in Select(page[name]).options:
            Select(page[name]).select_by_visible_text(option.text)
            assert page.last_row()[0] == page.steps() >= 100
            assert "above the start" not in page.text("status")
            pictures.add(page.picture())
        Select(page["function"]).select_by_visible_text("Narrow valley")
    assert len(pictures) >= 8 + 10


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everything_fits_on_the_screen(page, size):
    wide = page.picture()
    page.resize(*size)
    if size == PHONE:
        page.wait_until(lambda: page.picture() != wide)
    Select(page["function"]).select_by_visible_text("Rosenbrock")
    Select(page["optimizer"]).select_by_visible_text("Adam")
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.chromium.execute_script(overflow) <= 0
    for control in page.chromium.find_elements("css selector", CONTROLS):
        assert control.rect["x"] >= 0
        assert control.rect["x"] + control.rect["width"] <= size[0]
        assert control.rect["height"] >= 24, control.get_attribute("outerHTML")
    within = "const at = arguments[0].parentElement; return at.scrollWidth - at.clientWidth"
    assert page.chromium.execute_script(within, page["table"]) <= 0


def test_the_dark_theme_has_colours_of_its_own(page):
    light = [page.picture(), page.picture("curve")]
    page.chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
    page.wait_until(lambda: page.picture() != light[0] and page.picture("curve") != light[1])
