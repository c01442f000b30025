use serde_json::{Value, json};

use crate::page::{Allowed, Page, post, visit};
use crate::support::messages::{change_mission, explode, launch_as, speed_up};
use crate::support::process::Process;

const MARKUP: &str = "<img src=x onerror=\"window.taken=1\">";
/// What follows would be written from right to left.
const TURNED: &str = "safe\u{202e}gnp.exe";

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn whatever_is_sent_is_shown_as_it_is() {
    let service = Process::start(&[]);
    let long = "x".repeat(256);
    let ids =
        [MARKUP, TURNED, "..", "a/b?c#d&e=%41", &long[..128], "🚀 \u{65e5}\u{672c}", "'\"`${1}"];
    let mut messages: Vec<Value> = Vec::new();
    for id in ids {
        messages.push(launch_as(id, &long, i64::MAX, MARKUP));
        messages.push(change_mission(id, 2, TURNED));
        messages.push(explode(id, 3, MARKUP));
        messages.push(speed_up(id, 5, 1));
    }
    post(service.address, &messages);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.until(
            "all are there",
            &format!("document.querySelectorAll('#rows tr').length === {}", ids.len()),
        )
        .await;
        page.until(
            "in the feed",
            &format!("document.querySelectorAll('#explosions li').length === {}", ids.len()),
        )
        .await;
        for id in ids {
            let shown = id.replace('\u{202e}', "\\u{202E}");
            let link = format!(
                "[...document.querySelectorAll('#rows th a')].find((it) => it.textContent === {})",
                json!(shown)
            );
            page.until(id, &link).await;
            page.eval(&format!("{link}.click()")).await;
            page.shows("#panel-id", &shown).await;
            page.says("#state", "9,223,372,036,854,775,807").await;
            page.says("#state", MARKUP).await;
            page.says("#panel-wait-text", "Waits for message 4").await;
            // The address leads to the same one.
            page.browser.client.refresh().await.unwrap();
            page.shows("#panel-id", &shown).await;
            page.says("#state", &long).await;
            let raw = page.eval("document.querySelector('#raw').textContent").await;
            assert!(raw.as_str().unwrap().contains("9223372036854775807"), "{raw}");
            // What is copied is JSON, and of this very name.
            let raw: Value = serde_json::from_str(raw.as_str().unwrap()).unwrap();
            assert_eq!(raw["id"], id);
        }
        // What is too long for its column is cut, and in no other's way.
        let long = "[...document.querySelectorAll('#rows :is(th, td)')]
            .filter((it) => it.scrollWidth > it.clientWidth)";
        assert_ne!(page.eval(&format!("{long}.length")).await, 0);
        let in_the_way = format!(
            "{long}.filter((it) => getComputedStyle(it).overflowX !== 'hidden')
               .map((it) => `${{it.className}}: ${{it.textContent}}`)"
        );
        assert_eq!(page.eval(&in_the_way).await, json!([]));
        assert_eq!(page.eval("document.querySelectorAll('img').length").await, 0);
        assert_eq!(page.eval("window.taken === undefined").await, true);
        let body = page.eval("document.body.textContent.includes('\\u202e')").await;
        assert_eq!(body, false, "what turns writing round is shown and not done");
        // A filter finds them too.
        page.click("#close-panel").await;
        page.write("#filter-mission", "SAFE").await;
        page.says("#range", "of 7").await;
        page.finish(Allowed::Nothing);
    });
}
