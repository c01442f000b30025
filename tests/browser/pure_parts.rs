use serde_json::json;

use crate::page::{Allowed, Page, visit};
use crate::support::process::Process;

/// In the browser that they are for, as the modules that are served.
#[test]
#[ignore = "needs Chromium: just test-browser"]
fn numbers_times_and_events() {
    let service = Process::start(&[]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        for (arguments, ticks) in [
            ("0, 1", json!([0, 0.5, 1])),
            ("0, 100, 4", json!([0, 50, 100])),
            ("0, 97, 4", json!([0, 50, 100])),
            ("3, 17, 4", json!([0, 5, 10, 15, 20])),
            ("-7, 3, 4", json!([-10, -5, 0, 5])),
            ("0.1, 0.7, 4", json!([0, 0.2, 0.4, 0.6, 0.8])),
            ("0, 0", json!([0, 1])),
            ("5, 5, 4", json!([2, 4, 6, 8])),
            ("0, 20000, 4", json!([0, 5000, 10000, 15000, 20000])),
        ] {
            let body = format!(
                "const {{ niceTicks }} = await import('/ui/ticks.js'); return niceTicks({arguments});"
            );
            assert_eq!(page.eval_async(&body).await, ticks, "{arguments}");
        }
        // Whatever the bounds, and however close: the axis has them, and is neither empty
        // nor full of lines.
        let odd = page.eval_async(
            "const { niceTicks, timeTicks } = await import('/ui/ticks.js');
             const odd = [];
             for (let n = 0; n < 20000; n += 1) {
               const scale = 10 ** (Math.random() * 36 - 12);
               const [one, other] = [(Math.random() - 0.5) * scale, (Math.random() - 0.5) * scale];
               const close = one + Math.abs(one) * 2 ** -(20 + Math.random() * 33);
               const [least, most] = n % 2 ? [Math.min(one, other), Math.max(one, other)] : [one, close];
               const ticks = niceTicks(least, most, 4);
               const room = (most - least) * 1e-6 + Math.max(Math.abs(least), Math.abs(most)) * 2 ** -50;
               if (!(ticks[0] <= least + room && ticks.at(-1) >= most - room && ticks.length >= 2 && ticks.length <= 7))
                 odd.push([least, most, ticks]);
               const start = 1.6e12 + Math.random() * 1e11;
               const end = start + 1000 + Math.random() * 1e8;
               const times = timeTicks(start, end, 6);
               if (times.length > 7 || times.some((it) => it < start || it > end)) odd.push([start, end, times]);
             }
             return odd.slice(0, 3);",
        );
        assert_eq!(odd.await, json!([]));

        // A stream of events says the same wherever it is cut.
        let differences = page.eval_async(
            "const { EventParser } = await import('/ui/sse.js');
             const text = ': hi\\r\\nretry: 1500\\n\\nevent: hello\\r\\ndata: {\"a\":1}\\r\\nid: e-1\\r\\n\\r\\ndata:x\\ndata: y\\n\\ndata\\n\\nnothing: of ours\\n\\nevent:rocket\\ndata: \\u{1F680}\\n\\nevent: cut';
             const whole = new EventParser();
             const expected = JSON.stringify(whole.push(text));
             const differences = whole.retry === 1500 ? [] : ['retry'];
             for (let one = 0; one <= text.length; one += 1) {
               for (let other = one; other <= text.length; other += 1) {
                 const parser = new EventParser();
                 const events = [text.slice(0, one), text.slice(one, other), text.slice(other)].flatMap((it) => parser.push(it));
                 if (JSON.stringify(events) !== expected) differences.push([one, other, events]);
               }
             }
             return [JSON.parse(expected).map(({ name, data }) => [name, data]), differences.slice(0, 3)];",
        );
        let events =
            json!([["hello", "{\"a\":1}"], ["message", "x\ny"], ["message", ""], ["rocket", "🚀"]]);
        assert_eq!(differences.await, json!([events, []]));

        let shown = page.eval_async(
            "const { parse, pretty } = await import('/ui/json.js');
             const { visible, visibleJson, duration, rate } = await import('/ui/format.js');
             const exact = parse('{\"speed\": 9223372036854775807, \"text\": \"9223372036854775807\", \"x\": -1.5e3}');
             return [pretty(exact), visible('a\\u202eb\\u0007\\u200bc \\u{e0041}\\u00e4'),
               visibleJson(pretty({ id: 'a\\u202e\\n\\u{e0041}' })),
               [0, 59_999, 60_000, 3_599_000, 3_660_000, 90_000_000, 1e9].map(duration), [0, 12.34, 1234.5, null].map(rate)];",
        );
        assert_eq!(
            shown.await,
            json!([
                "{\n  \"speed\": 9223372036854775807,\n  \"text\": \"9223372036854775807\",\n  \"x\": -1500\n}",
                "a\\u{202E}b\\u{0007}\\u{200B}c \\u{E0041}ä",
                "{\n  \"id\": \"a\\u202e\\n\\udb40\\udc41\"\n}",
                ["0 s", "59 s", "1 min", "59 min", "1 h 1 min", "1 day", "11 days"],
                ["0", "12.3", "1,235", "–"]
            ])
        );
        page.finish(Allowed::Nothing);
    });
}

/// The chart's past, as the module keeps it.
#[test]
#[ignore = "needs Chromium: just test-browser"]
fn rates_of_a_day_are_kept_and_do_not_jump() {
    let service = Process::start(&[]);
    visit(async {
        let page = Page::open(service.address).await;
        page.is_live().await;
        // In years to come, so that what is told meanwhile does not count.
        let rates = |body: &str| format!("const rates = await import('/ui/rates.js'); {body}");
        let body = rates(
            "const end = 1.8e12 + 137_000;
             for (let time = end - 2 * 86_400_000; time <= end; time += 1000)
               rates.add(time, { applied: 10 + Math.floor(time / 300_000) % 2, buffered: 1, duplicate: 0 });
             const points = (start, until) => rates.lines(start, until)[0];
             const of = (start) => points(start, end);
             const day = of(end - 86_400_000);
             // Each point is the same a moment later, but for those at the ends.
             const later = points(end - 86_400_000 + 7000, end + 7000);
             const inner = later.slice(1, -1).filter((it) => !day.some(({ time, value }) => time === it.time && value === it.value));
             return [day.length, day.includes(null), new Set(day.map((it) => it.value)).size, inner.length,
               of(end - 3_600_000).length <= 402, of(end - 60_000).length, points(end - 7_200_000, end - 3_600_000).length,
               rates.at(end)?.rates.applied, rates.at(end + 5000), rates.at(end - 7_200_000)?.rates.buffered];",
        );
        let day = page.eval_async(&body);
        assert_eq!(day.await, json!([290, false, 2, 0, true, 62, 241, 10, null, 1]));
        let body = rates(
            "const now = 1.9e12;
             for (let n = 0; n < 100; n += 1) rates.add(now + n * 1000, { applied: 1, buffered: 0, duplicate: 0 });
             // The clock goes back by half a minute, and the chart goes on.
             for (let n = 70; n < 80; n += 1) rates.add(now + n * 1000, { applied: 5, buffered: 0, duplicate: 0 });
             const values = rates.lines(now, now + 99_000)[0].map((it) => it && it.value);
             return [values.length, values.at(-1), values.filter((it) => it === 1).length, rates.at(now + 79_000).rates.applied];",
        );
        let back = page.eval_async(&body);
        assert_eq!(back.await, json!([80, 5, 70, 5]));
        let cut = page.eval_async(
            "const { startOf } = await import('/ui/chart.js');
             return [startOf(0, 300_000, null), startOf(0, 300_000, 100_000), startOf(0, 300_000, 290_000),
               startOf(0, 300_000, -5), startOf(0, 300_000, 400_000)];",
        );
        assert_eq!(cut.await, json!([0, 100_000, 240_000, 0, 0]));
        page.finish(Allowed::Nothing);
    });
}
