use serde_json::json;

use crate::page::{Allowed, Page, post, visit};
use crate::support::messages::{explode, launch, launch_as, speed_up};
use crate::support::process::Process;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const LEFT: &str = "\u{e012}";
const DOWN: &str = "\u{e015}";

/// Presses Tab until the focus is on what the selector has.
async fn tab_to(page: &Page, selector: &str) {
    for _ in 0..150 {
        let is_there = format!("document.activeElement.matches({})", json!(selector));
        if page.eval(&is_there).await == true {
            let ring = "getComputedStyle(document.activeElement).outlineStyle";
            assert_ne!(page.eval(ring).await, "none", "the focus on {selector} is not seen");
            return;
        }
        page.press(TAB).await;
    }
    panic!("no key leads to {selector}");
}

/// Shift and Tab.
fn back_tab(page: &Page) {
    for kind in ["rawKeyDown", "keyUp"] {
        let key = json!({"type": kind, "key": "Tab", "windowsVirtualKeyCode": 9, "modifiers": 8});
        page.browser.devtools("Input.dispatchKeyEvent", key);
    }
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn the_keyboard_alone_does_all_of_it() {
    let service = Process::start(&[]);
    let launches: Vec<_> =
        (0..60).map(|n| launch_as(&format!("r{n:02}"), "Thor", n, "APOLLO")).collect();
    post(service.address, &launches);
    post(service.address, &[launch("x"), speed_up("x", 3, 1), explode("r05", 2, "UNKNOWN")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.shows("#range", "1–50 of 61").await;
        // A way past the header.
        page.press(TAB).await;
        assert_eq!(page.eval("document.activeElement.id").await, "skip");
        page.press(ENTER).await;
        page.until("it leads there", "document.activeElement.id === 'search'").await;
        assert_eq!(page.eval("location.hash").await, "", "what is shown is the same");
        page.eval("document.querySelector('#skip').focus()").await;
        // The time window and the settings.
        tab_to(&page, "#pause").await;
        page.press(ENTER).await;
        page.says("#window-end", "until").await;
        page.press(ENTER).await;
        page.shows("#window-end", "live").await;
        tab_to(&page, "#settings-button").await;
        page.press(ENTER).await;
        page.until(
            "the settings are open",
            "document.querySelector('#settings').matches(':popover-open')",
        )
        .await;
        tab_to(&page, "#setting-theme").await;
        page.press(DOWN).await;
        page.until("the theme is another", "document.documentElement.dataset.theme === 'dark'")
            .await;
        page.press(ESCAPE).await;
        page.until(
            "they are closed",
            "!document.querySelector('#settings').matches(':popover-open')",
        )
        .await;
        // The chart says what is at a moment.
        tab_to(&page, "#traffic-chart").await;
        page.press(LEFT).await;
        page.says("#traffic-at", "at ").await;
        // A mission.
        tab_to(&page, "#missions a").await;
        page.press(ENTER).await;
        page.shows("#range", "1–50 of 60").await;
        page.press(ENTER).await;
        page.shows("#range", "1–50 of 61").await;
        // Pages.
        tab_to(&page, "#next").await;
        page.press(ENTER).await;
        page.shows("#range", "51–61 of 61").await;
        // The button is none any longer, and the focus is not lost with it.
        page.until("the focus goes on", "document.activeElement.id === 'previous'").await;
        page.press(ENTER).await;
        page.shows("#range", "1–50 of 61").await;
        // Search, from anywhere.
        page.press("/").await;
        assert_eq!(page.eval("document.activeElement.id").await, "search");
        page.press("r0").await;
        page.shows("#range", "1–10 of 10").await;
        // Sorting.
        tab_to(&page, "th[data-sort=speed] button").await;
        page.press(ENTER).await;
        page.says("#rows tr:first-child th", "r09").await;
        // A rocket, and back to where it was opened.
        tab_to(&page, "#rows tr:nth-child(5) a").await;
        page.press(ENTER).await;
        page.shows("#panel-id", "r05").await;
        tab_to(&page, "#copy-json").await;
        page.press(ESCAPE).await;
        page.until("it is closed", "document.querySelector('#panel').hidden").await;
        assert_eq!(page.eval("document.activeElement.textContent").await, "r05");
        // Where it covers all, it has the focus.
        narrow(&page);
        page.until("it is narrow", "innerWidth === 400").await;
        page.press(ENTER).await;
        page.until("the panel has the focus", "document.activeElement.id === 'close-panel'").await;
        let behind = "[...document.querySelectorAll('a, button, input, select, [tabindex]')]
            .filter((it) => !it.closest('[inert], [hidden], dialog, .panel'))
            .map((it) => it.id)";
        assert_eq!(page.eval(behind).await, json!([]), "what it covers is out of reach");
        page.press("/").await;
        page.until("the search is seen", "document.activeElement.id === 'search'").await;
        tab_to(&page, "#rows tr:nth-child(5) a").await;
        page.press(ENTER).await;
        page.until("the panel has the focus", "document.activeElement.id === 'close-panel'").await;
        page.press(ENTER).await;
        page.until("it is closed", "document.querySelector('#panel').hidden").await;
        // The browser's own way back leads to where it was opened, too.
        page.press(ENTER).await;
        page.until("the panel has the focus", "document.activeElement.id === 'close-panel'").await;
        page.eval("history.back()").await;
        page.until("it is closed", "document.querySelector('#panel').hidden").await;
        assert_eq!(page.eval("document.activeElement.textContent").await, "r05");
        // What has the focus is not under the bar, however high that is.
        let is_under = "(() => {
            const [bar, it] = [document.querySelector('header'), document.activeElement]
                .map((it) => it.getBoundingClientRect());
            return it.top < bar.bottom;
        })()";
        page.eval("window.scrollTo(0, document.body.scrollHeight)").await;
        for _ in 0..20 {
            back_tab(&page);
            let shown = page.eval("document.activeElement.outerHTML.slice(0, 200)").await;
            assert_eq!(page.eval(is_under).await, false, "{shown}");
        }
        page.finish(Allowed::Nothing);
    });
}

fn narrow(page: &Page) {
    let size = json!({"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": false});
    page.browser.devtools("Emulation.setDeviceMetricsOverride", size);
}

fn prefer(page: &Page, feature: &str, value: &str) {
    let features = json!({"features": [{"name": feature, "value": value}]});
    page.browser.devtools("Emulation.setEmulatedMedia", features);
}

/// What axe-core finds, in as many words as help.
async fn findings(page: &Page, state: &str) {
    let found = page
        .eval_async(
            "const { violations } = await axe.run(document, { resultTypes: ['violations'] });
             return violations.map(({ id, nodes }) =>
               `${id}: ${nodes.map((it) => `${it.html} ${it.failureSummary}`).slice(0, 3).join(' | ')}`);",
        )
        .await;
    assert_eq!(found, json!([]), "{state}");
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn axe_finds_nothing() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/browser/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(path).expect("axe-core is there: just test-browser");
    let service = Process::start(&[]);
    visit(async {
        let page = Page::open(service.address).await;
        page.browser.client.execute(&axe, Vec::new()).await.unwrap();
        page.is_live().await;
        findings(&page, "empty").await;
        post(
            service.address,
            &[launch("a"), launch("b"), speed_up("b", 3, 1), explode("a", 2, "UNKNOWN")],
        );
        page.says("#explosions li", "UNKNOWN").await;
        page.says("#waits li", "needs message 2").await;
        page.says("#missions li", "ARTEMIS").await;
        page.click("#rows tr:last-child th a").await;
        page.says("#panel-wait-text", "Waits for").await;
        for theme in ["light", "dark"] {
            prefer(&page, "prefers-color-scheme", theme);
            findings(&page, theme).await;
        }
        page.click("#settings-button").await;
        findings(&page, "settings").await;
        page.press(ESCAPE).await;
        page.press(ESCAPE).await;
        narrow(&page);
        page.until("it is narrow", "innerWidth === 400").await;
        findings(&page, "narrow").await;
        assert_eq!(page.eval("document.documentElement.scrollWidth <= 400").await, true);
        page.click("#rows tr:last-child th a").await;
        page.until("the panel covers all", "!document.querySelector('#panel').hidden").await;
        findings(&page, "the panel, narrow").await;
        drop(service);
        page.until("that it is gone is said", "!document.querySelector('#banner').hidden").await;
        findings(&page, "gone").await;
        page.finish(Allowed::FailedRequests);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn a_change_shows_but_not_to_who_asked_for_rest() {
    let service = Process::start(&[]);
    post(service.address, &[launch("a")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.lists(&["a"]).await;
        page.shows("#rows .col-speed", "500").await;
        // The colour of the cell when its value has just changed.
        page.eval(
            "void new MutationObserver(() => {
               const cell = document.querySelector('#rows .col-speed');
               if (cell.classList.contains('changed')) window.colour = getComputedStyle(cell).color;
             }).observe(document.querySelector('#rows'), { attributes: true, subtree: true })",
        )
        .await;
        let plain = "getComputedStyle(document.querySelector('#rows .col-id')).color";
        for (number, motion, is_seen) in [(2, "no-preference", true), (3, "reduce", false)] {
            prefer(&page, "prefers-reduced-motion", motion);
            page.eval("void (window.colour = null)").await;
            post(service.address, &[speed_up("a", number, 1)]);
            page.until("it changed", "window.colour !== null").await;
            let is_same = page.eval(&format!("window.colour === {plain}")).await;
            assert_eq!(is_same, !is_seen, "{motion}");
        }
        page.finish(Allowed::Nothing);
    });
}
