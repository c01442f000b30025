use serde_json::{Value, json};

use crate::page::{Allowed, Page, post, visit};
use crate::support::http::{Request, send};
use crate::support::messages::{
    at, change_mission, explode, launch, launch_as, slow_down, speed_up,
};
use crate::support::process::Process;

/// The same message, now.
fn now(message: Value) -> Value {
    let now = time::OffsetDateTime::now_utc();
    at(message, &now.format(&time::format_description::well_known::Rfc3339).unwrap())
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn a_rocket_opens_beside_the_table() {
    let service = Process::start(&[]);
    post(service.address, &[launch("other"), now(launch("a")), now(speed_up("a", 2, 1500))]);
    post(service.address, &[now(change_mission("a", 3, "GEMINI")), now(slow_down("a", 4, 700))]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.lists(&["other", "a"]).await;
        page.click("#rows tr:last-child .col-speed").await;
        page.shows("#panel-id", "a").await;
        assert_eq!(page.eval("location.hash").await, "#/rockets/a");
        page.says("#state", "GEMINI").await;
        page.says("#state", "1,300").await;
        // What came before it was opened.
        page.until(
            "all that was is there",
            "document.querySelectorAll('#timeline li').length === 4",
        )
        .await;
        page.says("#timeline li:first-child", "speed 2,000 → 1,300").await;
        page.says("#timeline li:nth-child(2)", "mission ARTEMIS → GEMINI").await;
        page.says("#timeline li:last-child", "launched at speed 500").await;
        page.until(
            "a line",
            "document.querySelector('#speed-chart .line.speed').getAttribute('d').includes('L')",
        )
        .await;
        // And what comes after.
        post(service.address, &[now(speed_up("a", 5, 40_000))]);
        page.says("#state", "41,300").await;
        page.says("#timeline li:first-child", "speed 1,300 → 41,300").await;
        // As the service has it.
        let raw = page.eval("document.querySelector('#raw').textContent").await;
        let mut raw: Value = serde_json::from_str(raw.as_str().unwrap()).unwrap();
        raw.as_object_mut().unwrap().remove("version");
        assert_eq!(raw, send(service.address, &Request::get("/rockets/a")).json());
        page.click("#copy-json").await;
        page.shows("#copy-json", "Copied").await;
        // An address leads to it, and the button away from it.
        page.browser.client.refresh().await.unwrap();
        page.says("#state", "41,300").await;
        page.click("#close-panel").await;
        page.until("it is closed", "document.querySelector('#panel').hidden").await;
        assert_eq!(page.eval("document.activeElement.textContent").await, "a");
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn an_explosion_shows_and_is_spoken() {
    let service = Process::start(&[]);
    post(
        service.address,
        &[now(launch("a")), now(launch("b")), now(explode("b", 2, "FROZEN_O_RINGS"))],
    );
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        // One from before.
        page.says("#explosions li", "FROZEN_O_RINGS").await;
        page.shows("#figure-exploded", "1").await;
        assert_eq!(page.eval("document.querySelector('#announcements').textContent").await, "");
        post(service.address, &[now(explode("a", 2, "PRESSURE_VESSEL_FAILURE"))]);
        page.says("#explosions li:first-child", "PRESSURE_VESSEL_FAILURE").await;
        page.shows("#announcements", "1 rocket exploded: a").await;
        page.shows("#figure-exploded", "2").await;
        page.shows("#rows tr:first-child .col-status", "Exploded").await;
        page.until("by a shape too", "document.querySelector('#rows tr .icon.exploded')").await;
        page.click("#explosions li:first-child a").await;
        page.shows("#panel-id", "a").await;
        page.says("#timeline li:first-child", "exploded: PRESSURE_VESSEL_FAILURE").await;
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn a_gap_shows_until_it_closes_and_its_limit_by_colour_and_shape() {
    let service = Process::start(&[]);
    post(service.address, &[now(launch("a")), now(speed_up("a", 3, 1)), now(speed_up("a", 4, 1))]);
    // One that is not launched.
    post(service.address, &[now(speed_up("c", 2, 1))]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.shows("#figure-waiting", "2").await;
        page.says("#waits li:first-child", "needs message 2 · 2 behind it").await;
        page.says("#waits li:last-child", "needs its launch").await;
        page.shows("#rows .col-buffered_messages", "2").await;
        page.click("#settings-button").await;
        page.choose("#setting-limit", "5").await;
        page.press("\u{e00c}").await;
        page.until(
            "it is over the limit",
            "document.querySelector('#waits li').dataset.level === 'overdue'",
        )
        .await;
        let shape = "getComputedStyle(document.querySelector('#waits li .icon.overdue')).display";
        assert_ne!(page.eval(shape).await, "none");
        page.until(
            "the figure says so",
            "document.querySelector('#waiting-tile').dataset.level === 'overdue'",
        )
        .await;
        page.click("#waits li:first-child a").await;
        page.says("#panel-wait-text", "Waits for message 2 since").await;
        page.says("#panel-wait-text", "2 messages are there behind it, up to number 4").await;
        page.click("#waits li:last-child a").await;
        page.says("#panel-note", "not launched yet").await;
        page.says("#panel-wait-text", "Waits for message 1").await;

        post(service.address, &[now(speed_up("a", 2, 1)), now(launch("c"))]);
        page.shows("#figure-waiting", "0").await;
        page.until("nobody waits", "!document.querySelector('#waits-none').hidden").await;
        page.says("#state", "501").await;
        page.until("it waits for nothing", "document.querySelector('#panel-wait').hidden").await;
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn a_rocket_whose_clock_is_ahead_has_a_past_too() {
    let service = Process::start(&[]);
    let ahead = |message| at(message, "2999-01-01T00:00:00Z");
    post(service.address, &[ahead(launch("a")), ahead(speed_up("a", 2, 1))]);
    // Between these two there is hardly a number that the page can tell apart.
    let fast = launch_as("fast", "Thor", 9_223_372_036_854_774_000, "APOLLO");
    post(service.address, &[now(fast), now(speed_up("fast", 2, 1800))]);
    visit(async {
        let page = Page::open_at(&format!("http://{}", service.address), "/#/rockets/a", &[]).await;
        page.says("#past-note", "Nothing in this window; its last message is of 1 Jan 2999").await;
        page.click("#show-past").await;
        page.until("it is there", "document.querySelectorAll('#timeline li').length === 2").await;
        page.says("#window-end", "until 1 Jan 2999").await;
        page.click("#pause").await;
        page.shows("#window-end", "live").await;
        page.eval("void (location.hash = '#/rockets/fast')").await;
        page.says("#state", "9,223,372,036,854,775,800").await;
        page.until("a line", "document.querySelector('#speed-chart .line').getAttribute('d')")
            .await;
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn time_can_be_paused_for_chart_timeline_and_feed() {
    let service = Process::start(&[]);
    post(service.address, &[now(launch("a")), now(launch("b"))]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.click("#rows tr:first-child th a").await;
        page.until("its launch", "document.querySelectorAll('#timeline li').length === 1").await;
        page.until(
            "a rate",
            "document.querySelector('#traffic-chart .line.applied').getAttribute('d')",
        )
        .await;
        page.click("#pause").await;
        page.says("#window-end", "until ").await;
        let line = page
            .eval("document.querySelector('#traffic-chart .line.applied').getAttribute('d')")
            .await;
        post(service.address, &[now(speed_up("a", 2, 1)), now(explode("b", 2, "UNKNOWN"))]);
        page.shows("#figure-exploded", "1").await;
        page.says("#state", "501").await;
        // The figures go on, and the window stays.
        assert_eq!(page.eval("document.querySelectorAll('#timeline li').length").await, json!(1));
        assert_eq!(page.eval("document.querySelectorAll('#explosions li').length").await, json!(0));
        assert_eq!(
            page.eval("document.querySelector('#traffic-chart .line.applied').getAttribute('d')")
                .await,
            line
        );
        page.click("#pause").await;
        page.shows("#window-end", "live").await;
        page.until("both", "document.querySelectorAll('#timeline li').length === 2").await;
        page.says("#explosions li", "UNKNOWN").await;

        // However much comes after it, what is in a window that stands still stays.
        page.click("#pause").await;
        page.shows("#explosions-count", "1 in window").await;
        page.eval(
            "void (window.heard = 0, new MutationObserver(() => {
               window.heard += Number.parseInt(document.querySelector('#announcements').textContent);
             }).observe(document.querySelector('#announcements'), { childList: true, characterData: true, subtree: true }))",
        )
        .await;
        let many: Vec<_> = (0..600).map(|n| format!("rocket-{n}")).collect();
        let launches = many.iter().map(|id| now(launch(id)));
        let messages: Vec<_> =
            launches.chain(many.iter().map(|id| now(explode(id, 2, "OTHER")))).collect();
        post(service.address, &messages);
        page.until("all were heard of", "window.heard >= 600").await;
        page.shows("#figure-exploded", "601").await;
        page.shows("#explosions-count", "1 in window").await;
        page.says("#explosions li", "UNKNOWN").await;
        page.click("#pause").await;
        page.shows("#explosions-count", "500 or more in window").await;
        page.finish(Allowed::Nothing);
    });
}
