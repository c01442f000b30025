use std::net::SocketAddr;

use crate::page::{Allowed, Page, post, visit};
use crate::support::PATIENCE;
use crate::support::events::Subscriber;
use crate::support::http::{Connection, Request, send};
use crate::support::messages::{at, change_mission, explode, launch, launch_as, speed_up};
use crate::support::process::Process;

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn an_empty_fleet_says_what_to_do_and_then_appears_and_moves() {
    let service = Process::start(&[]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        let command = format!("curl http://{}/messages -d '", service.address);
        page.says("#first-message", &command).await;
        page.until("the table is hidden", "document.querySelector('#listing').hidden").await;

        // What it says is what launches the first rocket.
        let command = page.eval("document.querySelector('#first-message').textContent").await;
        let run = std::process::Command::new("sh").args(["-c", command.as_str().unwrap()]).output();
        assert!(run.unwrap().status.success());
        page.lists(&["193270a9-c9cf-404a-8f83-838e71d9ae67"]).await;
        page.shows("#figure-rockets", "1").await;
        page.until("nothing hints any longer", "document.querySelector('#empty').hidden").await;

        post(service.address, &[launch("a"), launch("b"), speed_up("b", 2, 1000)]);
        // By their launch times, which are years before the one above.
        page.lists(&["a", "b", "193270a9-c9cf-404a-8f83-838e71d9ae67"]).await;
        page.shows("#figure-launched", "3").await;
        page.shows("#range", "1–3 of 3").await;
        // In place: the element stays, and the value is another.
        page.eval("void (window.row = document.querySelector('#rows tr:nth-child(2)'))").await;
        page.shows("#rows tr:nth-child(2) .col-speed", "1,500").await;
        post(service.address, &[speed_up("b", 3, 2_000_000)]);
        page.shows("#rows tr:nth-child(2) .col-speed", "2,001,500").await;
        page.shows("#rows tr:nth-child(2) .col-last_message_number", "3").await;
        let same =
            page.eval("window.row === document.querySelector('#rows tr:nth-child(2)')").await;
        assert_eq!(same, true);
        page.until(
            "a rate is drawn",
            "document.querySelector('#traffic-chart .line.applied').getAttribute('d').includes('L')",
        )
        .await;
        page.says("#missions", "ARTEMIS").await;
        page.finish(Allowed::Nothing);
    });
}

/// 120 rockets on three missions, of two types; every tenth has exploded, and every
/// fifth waits.
fn fleet() -> Vec<serde_json::Value> {
    let mut messages = Vec::new();
    for n in 0..120_i64 {
        let id = format!("rocket-{n:03}");
        let mission = ["APOLLO", "GEMINI", "MERCURY"][usize::try_from(n % 3).unwrap()];
        messages.push(launch_as(&id, if n % 2 == 0 { "Atlas" } else { "Thor" }, n * 10, mission));
        if n % 10 == 0 {
            messages.push(explode(&id, 2, "UNKNOWN"));
        }
        if n % 5 == 1 {
            messages.push(speed_up(&id, 4, 1));
        }
    }
    messages
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn it_sorts_filters_pages_and_goes_back() {
    let service = Process::start(&[]);
    post(service.address, &fleet());
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.shows("#range", "1–50 of 120").await;
        page.says("#rows tr:first-child th", "rocket-000").await;
        assert_eq!(page.eval("document.querySelector('table').ariaRowCount").await, "121");

        // Pages, and the way back.
        page.click("#next").await;
        page.shows("#range", "51–100 of 120").await;
        page.says("#rows tr:first-child th", "rocket-050").await;
        page.click("#next").await;
        page.shows("#range", "101–120 of 120").await;
        // A rocket from elsewhere on the page leaves the table where it is.
        page.click("#explosions a").await;
        page.until("it is open", "!document.querySelector('#panel').hidden").await;
        page.shows("#range", "101–120 of 120").await;
        page.click("#close-panel").await;
        page.until("this is the last", "document.querySelector('#next').disabled").await;
        assert_eq!(page.eval("document.querySelector('#rows tr').ariaRowIndex").await, "102");
        page.click("#previous").await;
        page.shows("#range", "51–100 of 120").await;
        page.click("#previous").await;
        page.shows("#range", "1–50 of 120").await;
        page.until("this is the first", "document.querySelector('#previous').disabled").await;
        page.browser.client.back().await.unwrap();
        page.shows("#range", "51–100 of 120").await;
        // An address holds all of it.
        page.browser.client.refresh().await.unwrap();
        page.shows("#range", "51–100 of 120").await;
        page.click("#previous").await;
        page.shows("#range", "1–50 of 120").await;

        // Sorted by any column, both ways.
        page.click("th[data-sort=speed] button").await;
        page.says("#rows tr:first-child th", "rocket-119").await;
        assert_eq!(
            page.eval("document.querySelector('th[data-sort=speed]').ariaSort").await,
            "descending"
        );
        assert_eq!(page.eval("document.querySelectorAll('th[aria-sort]').length").await, 1);
        page.click("th[data-sort=speed] button").await;
        page.says("#rows tr:first-child th", "rocket-000").await;
        page.click("th[data-sort=id] button").await;
        page.click("th[data-sort=id] button").await;
        page.says("#rows tr:first-child th", "rocket-119").await;
        for sort in [
            "status",
            "mission",
            "rocket_type",
            "last_message_number",
            "buffered_messages",
            "last_update_time",
            "launch_time",
            "explosion_reason",
        ] {
            page.click(&format!("th[data-sort={sort}] button")).await;
            page.until(sort, &format!("document.querySelector('th[data-sort={sort}]').ariaSort && document.querySelector('table').ariaBusy === 'false'")).await;
        }
        // A page of an order that moves is asked for again.
        page.click("th[data-sort=speed] button").await;
        page.says("#rows tr:first-child th", "rocket-119").await;
        post(service.address, &[speed_up("rocket-007", 2, 1_000_000)]);
        page.says("#rows tr:first-child th", "rocket-007").await;

        // Filters, one upon the other.
        page.choose("#filter-status", "Exploded").await;
        page.shows("#range", "1–12 of 12").await;
        page.write("#filter-mission", "gemini\n").await;
        page.shows("#range", "1–4 of 4").await;
        page.lists(&["rocket-100", "rocket-070", "rocket-040", "rocket-010"]).await;
        page.click("#clear").await;
        page.shows("#range", "1–50 of 120").await;
        page.click("#filter-waiting").await;
        page.shows("#range", "1–24 of 24").await;
        page.write("#filter-type", "thor\n").await;
        page.shows("#range", "1–12 of 12").await;
        page.browser.client.refresh().await.unwrap();
        page.shows("#range", "1–12 of 12").await;
        assert_eq!(page.eval("document.querySelector('#filter-waiting').checked").await, true);
        assert_eq!(page.eval("document.querySelector('#filter-type').value").await, "thor");
        page.click("#clear").await;

        // A bar leads to its rockets.
        page.until("there are bars", "document.querySelectorAll('#missions li').length === 3")
            .await;
        page.click("#missions li:first-child a").await;
        page.shows("#range", "1–40 of 40").await;
        page.click("#missions li:first-child a").await;
        page.shows("#range", "1–50 of 120").await;
        page.finish(Allowed::Nothing);
    });
}

fn forget(service: &Process, id: &str) {
    let answer = send(service.address, &Request::new("DELETE", &format!("/rockets/{id}")));
    assert_eq!(answer.status, 204);
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn who_comes_and_goes_shows_on_a_full_page() {
    let service = Process::start(&[]);
    post(service.address, &fleet());
    visit(async {
        let page = Page::open(service.address).await;
        page.shows("#range", "1–50 of 120").await;
        let of = |n: &str| at(launch(n), "2000-01-01T00:00:00Z");
        post(service.address, &[of("before all others")]);
        page.says("#rows tr:first-child th", "before all others").await;
        page.click("th[data-sort=id] button").await;
        page.says("#rows tr:first-child th", "before all others").await;
        post(service.address, &[launch("a")]);
        page.says("#rows tr:first-child th", "a").await;
        page.shows("#range", "1–50 of 122").await;

        // One that comes back is another one, whatever its first life had.
        post(service.address, &[speed_up("a", 2, 1), explode("a", 3, "FIRST")]);
        page.says("#explosions li:first-child", "FIRST").await;
        page.shows("#rows tr:first-child .col-speed", "501").await;
        page.click("#rows tr:first-child th a").await;
        page.says("#state", "FIRST").await;
        forget(&service, "a");
        post(service.address, &[launch("a")]);
        page.shows("#rows tr:first-child .col-speed", "500").await;
        page.shows("#rows tr:first-child .col-status", "Launched").await;
        page.until("here, too", "!document.querySelector('#state').textContent.includes('FIRST')")
            .await;
        page.says("#state", "Launched").await;
        post(service.address, &[explode("a", 2, "SECOND")]);
        page.says("#explosions li:first-child", "SECOND").await;
        page.says("#explosions", "FIRST").await;
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn however_fast_a_page_changes_it_is_asked_for_every_two_seconds() {
    let service = Process::start(&[]);
    post(service.address, &fleet());
    visit(async {
        let page = Page::open(service.address).await;
        page.shows("#range", "1–50 of 120").await;
        page.eval("void (location.hash = '#/rockets/rocket-003?order=desc')").await;
        page.says("#rows tr:first-child th", "rocket-119").await;
        page.until("it is open", "document.querySelector('#state').textContent !== ''").await;
        page.eval("void (performance.clearResourceTimings(), window.begun = performance.now())")
            .await;
        let passed = "(performance.now() - window.begun) / 1000";
        for n in 0.. {
            let id = format!("rocket-{}", 200 + n);
            post(service.address, &[at(launch(&id), &format!("2030-01-01T00:00:00.{n:06}Z"))]);
            if page.eval(passed).await.as_f64() > Some(8.0) {
                break;
            }
        }
        let asked = |what: &str| {
            format!(
                "[performance.getEntriesByType('resource')
                  .filter((it) => new URL(it.name).pathname.endsWith({what:?})).length, {passed}]"
            )
        };
        // The table, and the rocket beside it; some more for what was under way.
        for (what, each) in [("/rockets", 2.0), ("/events", 1.0), ("/history", 1.0)] {
            let found = page.eval(&asked(what)).await;
            let (count, seconds) = (found[0].as_f64().unwrap(), found[1].as_f64().unwrap());
            assert!(count <= each * (seconds / 2.0 + 2.0), "{what}: {count} in {seconds} s");
        }
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn an_address_that_makes_no_sense_is_said_to() {
    let service = Process::start(&[]);
    post(service.address, &fleet());
    visit(async {
        let page = Page::open(service.address).await;
        page.shows("#range", "1–50 of 120").await;
        for odd in ["abc", "0", "-1", "7"] {
            page.eval(&format!("void (location.hash = '#/?page={odd}')")).await;
            page.shows("#range", "1–50 of 120").await;
            assert_eq!(page.eval("document.querySelector('#rows tr').ariaRowIndex").await, "2");
        }
        page.eval("void (location.hash = '#/?sort=bogus')").await;
        page.says("#listing-note", "This listing cannot be shown: sort: expected one of").await;
        page.lists(&[]).await;
        let is_busy = page.eval("document.querySelector('#table').ariaBusy").await;
        assert_eq!(is_busy, "false");
        page.click("th[data-sort=speed] button").await;
        page.says("#rows tr:first-child th", "rocket-119").await;
        page.finish(Allowed::FailedRequests);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn it_finds_by_how_an_id_begins() {
    let service = Process::start(&[]);
    post(service.address, &fleet());
    post(service.address, &[change_mission("rocket-113", 2, "SKYLAB")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.shows("#range", "1–50 of 120").await;
        page.write("#search", "rocket-11").await;
        page.shows("#range", "1–10 of 10").await;
        page.write("#search", "rocket-113").await;
        page.lists(&["rocket-113"]).await;
        page.shows("#rows .col-mission", "SKYLAB").await;
        page.write("#search", "no such").await;
        page.says("#listing-note", "No rocket meets these conditions").await;
        page.click("#clear").await;
        page.shows("#range", "1–50 of 120").await;
        page.finish(Allowed::Nothing);
    });
}

/// Waits until so many listen to `GET /events`, beside who asks.
#[track_caller]
fn until_heard_by(address: SocketAddr, wanted: u64) {
    let mut asker = Subscriber::with(Connection::open(address), &Request::get("/events"));
    // One a second.
    for _ in 0..PATIENCE.as_secs() {
        let stats = std::iter::from_fn(|| asker.next_of_all()).find(|event| event.name == "stats");
        if stats.unwrap().data["subscribers"] == wanted + 1 {
            return;
        }
    }
    panic!("there are never {wanted} who listen");
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn nothing_is_asked_while_the_tab_is_hidden() {
    let service = Process::start(&[]);
    post(service.address, &[launch("a")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.lists(&["a"]).await;
        until_heard_by(service.address, 2);
        let first = page.browser.client.window().await.unwrap();
        let other = page.browser.client.new_window(true).await.unwrap();
        page.browser.client.switch_to_window(other.handle).await.unwrap();
        until_heard_by(service.address, 0);
        post(service.address, &[speed_up("a", 2, 1)]);
        page.browser.client.switch_to_window(first).await.unwrap();
        page.is_live().await;
        page.shows("#rows .col-speed", "501").await;
        until_heard_by(service.address, 2);
        page.finish(Allowed::Nothing);
    });
}
