use downlink::journal::memory::MemoryJournal;

use crate::page::{Allowed, Page, post, visit};
use crate::support::Service;
use crate::support::journal::Gated;
use crate::support::messages::{explode, launch, speed_up};
use crate::support::process::{Process, downlink};

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn it_survives_a_restart_of_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let start = |listen: &str| {
        let mut command = downlink();
        command.args(["--listen", listen, "--data-dir"]).arg(directory.path());
        Process::spawn(command)
    };
    let service = start("127.0.0.1:0");
    let address = service.address;
    post(address, &[launch("a"), launch("b")]);
    visit(async {
        let page = Page::open(address).await;
        page.is_live().await;
        page.lists(&["a", "b"]).await;
        page.click("#rows tr:first-child th a").await;
        page.says("#state", "500").await;
        page.shows("#figure-rockets", "2").await;
        service.terminate();
        assert!(service.wait().0.success());
        page.until("that it is gone is said", "!document.querySelector('#banner').hidden").await;
        page.until(
            "by a word too",
            "['lost', 'stopping'].includes(document.documentElement.dataset.connection)",
        )
        .await;
        page.says("#banner-when", "Figures are from").await;
        // What was known stays in sight.
        page.lists(&["a", "b"]).await;

        let again = start(&address.to_string());
        post(address, &[speed_up("a", 2, 1), launch("c")]);
        page.is_live().await;
        page.until("nothing is said any longer", "document.querySelector('#banner').hidden").await;
        page.lists(&["a", "b", "c"]).await;
        page.shows("#rows tr:first-child .col-speed", "501").await;
        page.says("#state", "501").await;
        post(address, &[speed_up("a", 3, 1)]);
        page.shows("#rows tr:first-child .col-speed", "502").await;
        page.finish(Allowed::FailedRequests);
        drop(again);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn a_service_that_starts_is_said_to_and_then_there() {
    let (go_on, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let service =
        Service::opened(|_| {}, Box::new(Gated(wait, Box::new(MemoryJournal::default()))));
    visit(async {
        let page = Page::open(service.address).await;
        page.shows("#connection", "Not ready").await;
        page.says("#banner-what", "The service does not serve yet").await;
        drop(go_on);
        page.is_live().await;
        service.wait_until_ready();
        service.post(&[launch("a")]);
        page.lists(&["a"]).await;
        page.finish(Allowed::FailedRequests);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn without_a_place_to_listen_what_is_in_sight_is_asked_for() {
    // Of the two that a page wants.
    let service = Process::start(&["--max-subscribers", "1"]);
    post(service.address, &[launch("a")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.shows("#connection", "Without live updates").await;
        page.says("#banner-what", "Too many others watch").await;
        page.lists(&["a"]).await;
        page.click("#rows th a").await;
        page.says("#state", "500").await;
        post(service.address, &[speed_up("a", 2, 1)]);
        page.shows("#rows .col-speed", "501").await;
        page.says("#state", "501").await;
        page.finish(Allowed::FailedRequests);
    });
}

/// Has the next question that begins like this answered with a status by itself.
async fn refuse_once(page: &Page, path: &str, status: u16) {
    let script = format!(
        "void (((ask) => {{
           window.fetch = (path, how) => {{
             if (!path.startsWith({path:?})) return ask(path, how);
             window.fetch = ask;
             return Promise.resolve(new Response('not now', {{ status: {status} }}));
           }};
         }})(window.fetch))"
    );
    page.eval(&script).await;
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn a_refusal_that_passes_leaves_nothing_behind() {
    let service = Process::start(&[]);
    post(service.address, &[launch("a"), launch("b"), explode("b", 2, "FIRST")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.lists(&["a", "b"]).await;
        for status in [429, 404, 503] {
            refuse_once(&page, "rockets?sort", status).await;
            page.click("th[data-sort=speed] button").await;
            page.until(
                "it was asked again",
                "document.querySelector('#table').ariaBusy === 'false'",
            )
            .await;
            page.until("both are there", "document.querySelectorAll('#rows tr').length === 2")
                .await;
        }
        // The explosions of before.
        page.says("#explosions", "FIRST").await;
        refuse_once(&page, "rockets?status=Exploded", 503).await;
        let anew = "const { again } = await import('/ui/fleet.js'); again();";
        post(service.address, &[launch("c")]);
        page.eval_async(&format!("{anew} return 0;")).await;
        page.shows("#range", "1–3 of 3").await;
        page.says("#explosions", "FIRST").await;
        // The past of a rocket.
        refuse_once(&page, "rockets/a/history", 503).await;
        page.click("#rows a[href*='rockets/a']").await;
        page.until("it is said", "!document.querySelector('#panel-note').hidden").await;
        page.until("and passes", "document.querySelector('#panel-note').hidden").await;
        page.until("it is there", "document.querySelector('#past-note').textContent.length > 0")
            .await;
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn an_id_that_cannot_be_is_said_to_and_leaves_the_table_live() {
    let service = Process::start(&[]);
    post(service.address, &[launch("a")]);
    visit(async {
        let origin = format!("http://{}", service.address);
        let path = format!("/#/rockets/{}", "x".repeat(200));
        let page = Page::open_at(&origin, &path, &[]).await;
        page.is_live().await;
        page.says("#panel-note", "id: expected").await;
        page.eval_async("window.watch = await import('/ui/watch.js'); return 0;").await;
        page.until("rows are told of", "window.watch.tells(['a'])").await;
        let asked = "performance.getEntriesByType('resource').filter((it) => it.name.includes('rockets?id=')).length";
        let before = page.eval(asked).await;
        page.eval("void (window.begun = performance.now())").await;
        post(service.address, &[speed_up("a", 2, 1)]);
        page.shows("#rows .col-speed", "501").await;
        page.until("some time passes", "performance.now() - window.begun > 5000").await;
        assert_eq!(page.eval(asked).await, before, "it is asked for again");
        page.finish(Allowed::FailedRequests);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn more_than_an_address_holds_is_asked_for() {
    let service = Process::start(&[]);
    let ids: Vec<_> = (10..60).map(|n| n.to_string().repeat(64)).collect();
    post(service.address, &ids.iter().map(|id| launch(id)).collect::<Vec<_>>());
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        page.shows("#range", "1–50 of 50").await;
        post(service.address, &ids.iter().map(|id| speed_up(id, 2, 1)).collect::<Vec<_>>());
        let all = "[...document.querySelectorAll('#rows .col-last_message_number')]
            .every((it) => it.textContent === '2' || it.parentNode.isInSight === false)";
        page.until("all are as they are", all).await;
        page.says("#rows tr:last-child .col-last_message_number", "2").await;
        page.finish(Allowed::Nothing);
    });
}

#[test]
#[ignore = "needs Chromium: just test-browser"]
fn it_asks_for_a_token_and_keeps_it_in_the_tab() {
    let files = tempfile::tempdir().unwrap();
    let tokens = files.path().join("read");
    std::fs::write(&tokens, "read-token-0123456789\n").unwrap();
    let tokens = tokens.to_str().unwrap();
    let service = Process::start(&["--read-token-file", tokens]);
    post(service.address, &[launch("a")]);
    visit(async {
        let page = Page::open(service.address).await;
        page.until("it asks", "document.querySelector('#token').open").await;
        page.shows("#connection", "Token needed").await;
        page.click("#token-later").await;
        page.click("#retry").await;
        page.write("#token-value", "not the right one\n").await;
        page.says("#token-why", "letters, digits").await;
        page.write("#token-value", "a-wrong-token-0123456789\n").await;
        page.says("#token-why", "not accepted").await;
        page.write("#token-value", "read-token-0123456789\n").await;
        page.is_live().await;
        page.lists(&["a"]).await;
        page.until("it asks no more", "!document.querySelector('#token').open").await;
        post(service.address, &[speed_up("a", 2, 1)]);
        page.shows("#rows .col-speed", "501").await;
        page.browser.client.refresh().await.unwrap();
        page.is_live().await;
        page.lists(&["a"]).await;
        assert_eq!(page.eval("localStorage.length + document.cookie.length").await, 0);
        assert_eq!(page.eval("location.href.includes('token')").await, false);
        page.finish(Allowed::FailedRequests);
    });
}

/// There `navigator.clipboard`, `navigator.locks` and `crypto.randomUUID` are missing.
#[test]
#[ignore = "needs Chromium: just test-browser"]
fn it_works_under_a_host_name_that_is_no_secure_context() {
    let service = Process::start(&["--allowed-host", "downlink.example"]);
    post(service.address, &[launch("a")]);
    visit(async {
        let origin = format!("http://downlink.example:{}", service.address.port());
        let rule = "--host-resolver-rules=MAP downlink.example 127.0.0.1";
        let page = Page::open_at(&origin, "/", &[rule]).await;
        assert_eq!(page.eval("isSecureContext").await, false);
        page.is_live().await;
        page.lists(&["a"]).await;
        page.click("#rows th a").await;
        page.says("#state", "500").await;
        page.click("#copy-json").await;
        page.shows("#copy-json", "Copied").await;
        page.finish(Allowed::Nothing);
    });
}
