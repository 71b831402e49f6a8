"""The page in a real browser: ``make test-browser``."""

import json
import subprocess
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Seen, Served
from tests.support.quick_task import QUICK
from weighbridge.domain.registry import rollback
from weighbridge.domain.registry.promotions import Decision
from weighbridge.domain.registry.releases import ModelVersion

PICTURES = Path("build/screenshots")
API = f"/api/v0.1/{QUICK.name}"
TARGET = QUICK.schema.prediction

# Whatever else the machine is doing.
expect.set_options(timeout=30_000)


def serious(page: Page) -> list[str]:
    """Accessibility faults that keep somebody out."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def fill(page: Page, code: str, orders: str) -> None:
    page.get_by_label("product_code").select_option(code)
    page.get_by_label("orders_placed").fill(orders)


def test_the_form_is_answered_as_the_api_answers_and_its_command_does_the_same(seen: Seen) -> None:
    page = seen.open()
    fill(page, "SKU001", "10")
    page.get_by_role("button", name="Predict").click()
    answer = page.locator("#answer")
    row = {"orders_placed": 10, "product_code": "SKU001"}
    expected = httpx.post(seen.address + API, json=row, trust_env=False).json()
    expect(answer.locator(".prediction .value")).to_have_text(f"{expected[TARGET]:.6g} hours")
    expect(answer.locator(".by code")).to_have_text(expected["model_version"])
    expect(answer.locator(".held")).to_have_count(0)
    command = answer.locator("pre").inner_text()
    assert command.startswith("curl ")
    done = subprocess.run(["sh", "-c", f"{command} --silent"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected
    fill(page, "SKU001", "5000")
    page.get_by_role("button", name="Predict").click()
    expect(answer.locator(".held")).to_contain_text("Outside the range in training: orders_placed.")


def test_the_form_refuses_what_the_schema_refuses(seen: Seen) -> None:
    page = seen.open()
    orders = page.get_by_label("orders_placed")
    fill(page, "SKU001", "-5")
    page.get_by_role("button", name="Predict").click()
    assert orders.evaluate("one => one.validity.rangeUnderflow")
    assert [one for one in seen.asked if one.startswith("POST")] == []
    # What the browser would let pass is refused by the service, beside the field that it is about.
    orders.evaluate("one => one.removeAttribute('min')")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("[data-field=orders_placed] .problem")).to_contain_text("greater than or equal to 0")
    expect(page.locator("#answer")).to_contain_text("No prediction.")
    fill(page, "SKU001", "5")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("[data-field=orders_placed] .problem")).to_be_empty()
    expect(page.locator("#answer .prediction")).to_be_visible()


def test_what_if_is_drawn_from_one_batch(seen: Seen) -> None:
    page = seen.open()
    for feature, shape, count in (("orders_placed", "path.curve", 1), ("product_code", "circle.dot", 5)):
        seen.asked.clear()
        page.get_by_label("The prediction along").select_option(feature)
        page.get_by_role("button", name="Draw").click()
        expect(page.locator("#drawn")).to_contain_text(f"along {feature}")
        expect(page.locator(f"#curve {shape}")).to_have_count(count)
        assert [one for one in seen.asked if one.startswith("POST")] == [f"POST {seen.address}{API}/batch"]


def test_with_script_switched_off(served: Served, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = Seen(context, served.address).open()
    expect(page.locator("#what-if")).to_be_hidden()
    fill(page, "SKU003", "57")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer .prediction")).to_contain_text("hours")
    expect(page.get_by_label("orders_placed")).to_have_value("57")
    expect(page.locator("#history tbody tr")).to_have_count(5)
    context.close()


def test_with_the_keyboard_alone(seen: Seen) -> None:
    page = seen.open()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the form")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("orders_placed")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("20")
    page.keyboard.press("Tab")
    page.keyboard.type("SKU002")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#answer pre")).to_contain_text('{"orders_placed":20,"product_code":"SKU002"}')
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#curve svg")).to_be_visible()


def test_promotion_hold_rollback_and_a_failed_refresh_are_seen_without_a_reload(
    seen: Seen, served: Served
) -> None:
    container = served.container
    registry = container.registry()
    newest, before, *_ = registry.versions(QUICK.name)
    page = seen.open()
    # A reload would lose it.
    page.evaluate("document.documentElement.dataset.kept = 'yes'")
    live = page.locator("#live")
    expect(live.locator("code").first).to_have_text(str(newest))

    rollback.roll_back(registry, QUICK.name, "complaints", "tests", hold=True)
    expect(live.locator("code").first).to_have_text(str(before))
    expect(live).to_contain_text("Held.")
    expect(live).to_contain_text("complaints")
    expect(page.locator("#history tr.current th")).to_have_text(str(before))
    expect(page.get_by_role("status")).to_have_text(f"Now live: {before}")

    gone = ModelVersion.parse(QUICK.name, "2021-01-01T00-00-00Z-00000000")
    registry.append(Decision(gone, "a mistake", "tests"), registry.live(QUICK.name))
    expect(live).to_contain_text("The last look for a newer model failed.")
    expect(live.locator("code").first).to_have_text(str(before))

    registry.promote(newest, "as before", "tests")
    expect(live.locator("code").first).to_have_text(str(newest))
    expect(live.locator(".notice")).to_have_count(0)
    assert page.evaluate("document.documentElement.dataset.kept") == "yes"


def test_figures_move_while_the_page_is_looked_at(seen: Seen) -> None:
    page = seen.open()
    requests = page.locator("#now dd").first
    before = int(requests.inner_text().replace(",", ""))
    httpx.post(seen.address + API, json={"orders_placed": 1, "product_code": "SKU001"}, trust_env=False)
    expect(requests).to_have_text(f"{before + 1:,}")


def test_a_click_opens_the_report(seen: Seen) -> None:
    page = seen.open()
    link = page.locator("#history figure.wide a:has(.reject)")
    version = link.get_attribute("href")
    link.click()
    expect(page).to_have_url(f"{seen.address}/{version}")
    expect(page.locator("h1")).to_contain_text("Refused")
    assert serious(page) == []
    page.go_back()
    page.locator("#history tbody a").first.click()
    expect(page.locator("h1")).to_be_visible()
    assert serious(page) == []


def test_the_documentation_is_read_and_tried_without_another_host(seen: Seen) -> None:
    page = seen.open("/docs")
    page.locator('[id^=operations-][id$="-predict"]').first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "docs.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1600])
def test_pictures_without_a_serious_fault(served: Served, browser: Browser, width: int, theme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    seen = Seen(context, served.address)
    page = seen.open()
    fill(page, "SKU004", "500")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer pre")).to_be_visible()
    page.get_by_label("orders_placed").fill("120")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#curve svg")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take(page, f"page-{width}-{theme}")
    page.goto(f"{seen.address}/{page.locator('#history tbody a').first.get_attribute('href')}")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take(page, f"report-{width}-{theme}")
    context.close()
    assert (seen.outside(), seen.complaints) == ([], [])


def test_pictures_for_the_documentation(seen: Seen) -> None:
    page = seen.open()
    fill(page, "SKU004", "120")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer pre")).to_be_visible()
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#curve svg")).to_be_visible()
    expect(page.locator("#now dd").first).not_to_have_text("0")
    take(page, "page")
    page.goto(f"{seen.address}/{page.locator('#history figure.wide a:has(.reject)').get_attribute('href')}")
    take(page, "report", height=1500)


def take(page: Page, name: str, height: int | None = None) -> None:
    """A picture in few colours, of the whole page or of its beginning: small enough for the documentation."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    width = page.evaluate("document.documentElement.clientWidth")
    clip = None if height is None else {"x": 0, "y": 0, "width": width, "height": height}
    page.screenshot(path=path, full_page=True, clip=clip)
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
