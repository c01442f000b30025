//! `GET /missions?detail=true`: how many rockets are on each mission, how many of them
//! have exploded, and how fast they are; at the edges of what a speed can be, and
//! whoever holds the lowest and the highest.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::messages::{change_mission, explode, launch_as, slow_down, speed_up};
use crate::support::{Request, Service, problem};
use downlink::telemetry::interner::Symbol;
use downlink::telemetry::missions::Missions;

const PATH: &str = "/missions?detail=true";

#[test]
fn a_mission_is_summed_up() {
    let service = Service::start();
    assert_eq!(service.read(PATH), json!({"missions": [], "rest": null}));
    service.post(&[
        launch_as("a", "T", 500, "GEMINI"),
        launch_as("b", "T", 100, "APOLLO"),
        launch_as("c", "T", 200, "Gemini"),
        launch_as("d", "T", 7, "SKYLAB"),
        explode("d", 2, "X"),
        speed_up("c", 2, 1),
    ]);
    // Not launched, so on no mission.
    service.post(&[change_mission("e", 2, "ORION")]);
    let expected = json!({"missions": [
        {"mission": "GEMINI", "rockets": 2, "exploded": 0,
         "speed": {"mean": 350.5, "lowest": 201, "highest": 500}},
        {"mission": "APOLLO", "rockets": 1, "exploded": 0,
         "speed": {"mean": 100.0, "lowest": 100, "highest": 100}},
        {"mission": "SKYLAB", "rockets": 1, "exploded": 1,
         "speed": {"mean": 7.0, "lowest": 7, "highest": 7}},
    ], "rest": null});
    assert_eq!(service.read(PATH), expected);
    // The fastest becomes the slowest, and leaves.
    service.post(&[slow_down("a", 2, 400)]);
    let gemini = |service: &Service| service.read(PATH)["missions"][0]["speed"].clone();
    assert_eq!(gemini(&service), json!({"mean": 150.5, "lowest": 100, "highest": 201}));
    service.post(&[change_mission("a", 3, "SKYLAB"), explode("a", 4, "Y")]);
    let skylab = &service.read(PATH)["missions"][0];
    assert_eq!(
        *skylab,
        json!({"mission": "SKYLAB", "rockets": 2, "exploded": 2,
               "speed": {"mean": 53.5, "lowest": 7, "highest": 100}})
    );
    assert_eq!(service.read("/missions?detail=false"), service.read("/missions"));
    let tag = service.get(PATH).header("etag").unwrap().to_owned();
    let again = Request::get(PATH).header("if-none-match", &tag);
    assert_eq!(service.send(&again).status, 304);
}

#[test]
fn speeds_at_both_ends_do_not_overflow() {
    let service = Service::start();
    let fast = (0..3).map(|n| launch_as(&format!("f{n}"), "T", i64::MAX, "M"));
    service.post(&fast.collect::<Vec<_>>());
    let speed = service.read(PATH)["missions"][0]["speed"].clone();
    assert_eq!(speed, json!({"mean": i64::MAX as f64, "lowest": i64::MAX, "highest": i64::MAX}));
    for n in 0..3 {
        let id = format!("s{n}");
        service.post(&[launch_as(&id, "T", 0, "M")]);
        service.post(&[slow_down(&id, 2, i64::MAX), slow_down(&id, 3, i64::MAX)]);
    }
    let speed = service.read(PATH)["missions"][0]["speed"].clone();
    assert_eq!(speed, json!({"mean": -0.5, "lowest": i64::MIN, "highest": i64::MAX}));
}

#[test]
fn a_hundred_are_shown_and_the_rest_is_one() {
    let service = Service::start();
    // Mission n has n rockets; the first two of its own partition or not.
    let launch = |mission: i64, n: i64| {
        launch_as(&format!("{mission}-{n}"), "T", 1000 * mission + n, &format!("M{mission:03}"))
    };
    let all: Vec<Value> = (1..=103)
        .flat_map(|mission| (0..mission.min(20)).map(move |n| launch(mission, n)))
        .collect();
    service.post(&all);
    let answer = service.read(PATH);
    let missions = answer["missions"].as_array().unwrap();
    assert_eq!(missions.len(), 100);
    assert_eq!((&missions[0]["mission"], &missions[0]["rockets"]), (&json!("M020"), &json!(20)));
    assert_eq!(missions[99]["mission"], "M004");
    let rest = json!({"missions": 3, "rockets": 6, "exploded": 0,
                      "speed": {"mean": f64::from(1000 + 2000 + 2001 + 3000 + 3001 + 3002) / 6.0,
                                "lowest": 1000, "highest": 3002}});
    assert_eq!(answer["rest"], rest);
}

#[test]
fn other_parameters_are_refused() {
    let service = Service::start();
    for (query, name) in
        [("detail=yes", "detail"), ("detail=true&detail=true", "detail"), ("limit=1", "limit")]
    {
        let detail = problem(&service.get(&format!("/missions?{query}")), 400);
        assert!(detail.contains(name), "{detail}");
    }
}

/// Something that happens to the rockets, one of which is meant.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join(usize, i64),
    Leave,
    Speed(i64),
    Explode,
    /// The walk begins anew, goes on by so many rockets, or goes to its end.
    Begin,
    Walk(usize),
    End,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let speed = || prop_oneof![4 => -3i64..4, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let step = prop_oneof![
        4 => (0usize..3, speed()).prop_map(|(mission, speed)| Step::Join(mission, speed)),
        2 => Just(Step::Leave),
        6 => speed().prop_map(Step::Speed),
        1 => Just(Step::Explode),
        1 => Just(Step::Begin),
        4 => (1usize..4).prop_map(Step::Walk),
        2 => Just(Step::End),
    ];
    prop::collection::vec((0usize..64, step), 1..150)
}

struct Rocket {
    symbol: Symbol,
    mission: usize,
    speed: i64,
    exploded: bool,
}

const NAMES: [&str; 3] = ["A", "B", "C"];

/// What must be, and what is: that of the extremes all speeds are between them, and
/// if `exact`, that they are speeds.
fn check(missions: &mut Missions, rockets: &[Option<Rocket>], exact: bool) {
    for (at, name) in NAMES.into_iter().enumerate() {
        let on_it: Vec<_> =
            rockets.iter().flatten().filter(|rocket| rocket.mission == at).collect();
        let summary = missions.summary(name, None);
        let Some((count, summary)) = summary else {
            assert!(on_it.is_empty());
            continue;
        };
        assert_eq!(count as usize, on_it.len());
        let exploded = on_it.iter().filter(|rocket| rocket.exploded).count();
        assert_eq!(summary.exploded as usize, exploded);
        assert_eq!(summary.sum, on_it.iter().map(|rocket| i128::from(rocket.speed)).sum());
        let lowest = on_it.iter().map(|rocket| rocket.speed).min().unwrap();
        let highest = on_it.iter().map(|rocket| rocket.speed).max().unwrap();
        assert!(summary.lowest <= lowest && highest <= summary.highest, "{name}");
        assert!(!exact || (summary.lowest, summary.highest) == (lowest, highest), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Rockets come, change and go, also behind and before a walk that is under way:
    /// the extremes are never passed, and a walk that nothing disturbs makes them
    /// exact.
    #[test]
    fn extremes_are_never_passed_and_found_by_a_walk(steps in steps()) {
        let mut missions = Missions::default();
        let mut rockets: Vec<Option<Rocket>> = Vec::new();
        let mut walk = None;
        for (which, step) in steps {
            let meant = if rockets.is_empty() { None } else { Some(which % rockets.len()) };
            let rocket = meant.and_then(|at| rockets[at].as_mut());
            match (step, rocket) {
                (Step::Join(mission, speed), _) => {
                    let symbol = missions.join(NAMES[mission], speed, false);
                    let rocket = Some(Rocket { symbol, mission, speed, exploded: false });
                    match rockets.iter().position(Option::is_none) {
                        Some(vacant) => rockets[vacant] = rocket,
                        None => rockets.push(rocket),
                    }
                }
                (Step::Leave, Some(_)) => {
                    let Rocket { symbol, speed, exploded, .. } =
                        rockets[meant.unwrap()].take().unwrap();
                    missions.leave(symbol, speed, exploded);
                }
                (Step::Speed(speed), Some(rocket)) => {
                    missions.change_speed(&rocket.symbol, rocket.speed, speed);
                    rocket.speed = speed;
                }
                (Step::Explode, Some(rocket)) if !rocket.exploded => {
                    missions.explode(&rocket.symbol);
                    rocket.exploded = true;
                }
                (Step::Begin, _) => walk = missions.begin_repair().map(|repair| (repair, 0)),
                (Step::Walk(many), _) => {
                    if let Some((_, next)) = &mut walk {
                        for rocket in rockets.iter().skip(*next).take(many).flatten() {
                            missions.see(&rocket.symbol, rocket.speed);
                        }
                        *next += many;
                    }
                }
                (Step::End, _) => {
                    if let Some((repair, next)) = walk.take() {
                        for rocket in rockets.iter().skip(next).flatten() {
                            missions.see(&rocket.symbol, rocket.speed);
                        }
                        for name in NAMES {
                            let _ = missions.summary(name, Some(&repair));
                        }
                        missions.end_repair(&repair);
                    }
                }
                _ => {}
            }
            check(&mut missions, &rockets, false);
        }
        if let Some(repair) = missions.begin_repair() {
            for rocket in rockets.iter().flatten() {
                missions.see(&rocket.symbol, rocket.speed);
            }
            for name in NAMES {
                let _ = missions.summary(name, Some(&repair));
            }
            missions.end_repair(&repair);
        }
        check(&mut missions, &rockets, true);
        prop_assert_eq!(missions.begin_repair(), None);
    }
}

/// The figures of all rockets that a service lists, by mission.
#[test]
fn it_is_what_the_listing_says_after_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let start = |workers| {
        let service = Service::start_with(|config| {
            config.durability = downlink::config::Durability::Os;
            config.data_dir = directory.path().to_owned();
            config.workers = workers;
        });
        crate::support::eventually("it is ready", || service.get("/readyz").status == 200);
        service
    };
    let check = |service: &Service| {
        let mut expected: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for rocket in service.read("/rockets").as_array().unwrap() {
            let mission = rocket["mission"].as_str().unwrap().to_owned();
            expected.entry(mission).or_default().push(rocket["speed"].as_i64().unwrap());
        }
        let answer = service.read(PATH);
        let missions = answer["missions"].as_array().unwrap();
        assert_eq!(missions.len(), expected.len());
        for mission in missions {
            let speeds = &expected[mission["mission"].as_str().unwrap()];
            let (lowest, highest) = (speeds.iter().min().unwrap(), speeds.iter().max().unwrap());
            assert_eq!(mission["rockets"], speeds.len());
            assert_eq!(
                (&mission["speed"]["lowest"], &mission["speed"]["highest"]),
                (&json!(lowest), &json!(highest))
            );
        }
    };
    let service = start(2);
    let mut messages = Vec::new();
    for n in 0..60 {
        let id = format!("r{n}");
        messages.push(launch_as(&id, "T", n * 37 % 50, &format!("M{}", n % 7)));
        messages.push(speed_up(&id, 2, n * 91 % 40));
        messages.push(change_mission(&id, 3, &format!("M{}", n % 5)));
        messages.push(slow_down(&id, 4, n * 17 % 90));
    }
    service.post(&messages);
    check(&service);
    service.stop().unwrap();
    let service = start(3);
    check(&service);
    service.post(&(0..60).map(|n| speed_up(&format!("r{n}"), 5, n)).collect::<Vec<_>>());
    check(&service);
}
