//! What the clients of a soak send, and what must come of it: each has rockets
//! of its own, makes their messages up in order and folds them as it does. Does
//! not own how they are sent. Shares no code with the service.

use std::collections::HashMap;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// Rockets of one client.
pub struct Share {
    rockets: Vec<Rocket>,
    /// How many were launched; the others come first.
    launched: usize,
    /// Made and not acknowledged; to be sent again.
    pub pending: Vec<String>,
}

struct Rocket {
    id: String,
    number: u64,
    speed: i64,
    mission: String,
    reason: Option<String>,
}

impl Share {
    pub fn new(rockets: std::ops::Range<u32>) -> Self {
        let rocket = |n| Rocket {
            id: format!("50a4c0de-38fd-52e2-916f-0000{n:08x}"),
            number: 0,
            speed: 0,
            mission: String::new(),
            reason: None,
        };
        Self { rockets: rockets.map(rocket).collect(), launched: 0, pending: Vec::new() }
    }

    /// The next message of some rocket, folded already.
    pub fn next(&mut self, random: &mut StdRng) -> String {
        let at = if self.launched < self.rockets.len() {
            self.launched += 1;
            self.launched - 1
        } else {
            random.random_range(0..self.rockets.len())
        };
        self.rockets[at].next()
    }

    /// What is not as it must be.
    pub fn compare(&self, shown: &HashMap<String, Value>) -> Vec<String> {
        let launched = self.rockets.iter().filter(|rocket| rocket.number > 0);
        launched.filter_map(|rocket| rocket.compare(shown.get(&rocket.id))).collect()
    }
}

impl Rocket {
    fn next(&mut self) -> String {
        self.number += 1;
        let number = self.number;
        let (kind, body) = if number == 1 {
            (self.speed, self.mission) = (500, "M0".to_owned());
            ("RocketLaunched", json!({"type": "Falcon-9", "launchSpeed": 500, "mission": "M0"}))
        } else if number.is_multiple_of(401) {
            self.reason.get_or_insert_with(|| format!("R{number}"));
            ("RocketExploded", json!({"reason": format!("R{number}")}))
        } else if number.is_multiple_of(37) {
            self.mission = format!("M{}", number % 50);
            ("RocketMissionChanged", json!({"newMission": self.mission}))
        } else if number.is_multiple_of(3) {
            self.speed -= 700;
            ("RocketSpeedDecreased", json!({"by": 700}))
        } else {
            self.speed += i64::try_from(number % 1000).expect("less than a thousand");
            ("RocketSpeedIncreased", json!({"by": number % 1000}))
        };
        json!({
            "metadata": {
                "channel": self.id, "messageNumber": number, "messageType": kind,
                "messageTime": "2025-04-02T09:21:50.458989221+02:00",
            },
            "message": body,
        })
        .to_string()
    }

    fn compare(&self, shown: Option<&Value>) -> Option<String> {
        let expected = json!({
            "last_message_number": self.number, "buffered_messages": 0, "speed": self.speed,
            "mission": self.mission, "explosion_reason": self.reason,
            "status": if self.reason.is_some() { "Exploded" } else { "Launched" },
        });
        let Some(shown) = shown else { return Some(format!("{} is not there", self.id)) };
        let fields = expected.as_object().expect("it is one");
        let same = fields.iter().all(|(name, value)| shown[name] == *value);
        (!same).then(|| format!("{} is {shown}, and must be {expected}", self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_rocket_that_lacks_a_message_is_told() {
        let mut share = Share::new(0..1);
        let mut random = StdRng::seed_from_u64(1);
        let sent: Vec<_> = (0..3).map(|_| share.next(&mut random)).collect();
        assert!(sent[0].contains("RocketLaunched") && sent[2].contains("Decreased"), "{sent:?}");
        let id = share.rockets[0].id.clone();
        let mut shown = json!({
            "last_message_number": 3, "buffered_messages": 0, "speed": -198, "mission": "M0",
            "explosion_reason": null, "status": "Launched", "id": id,
        });
        let found =
            |shown: &Value| share.compare(&HashMap::from([(id.clone(), shown.clone())])).len();
        assert_eq!(found(&shown), 0);
        shown["speed"] = 502.into();
        assert_eq!(found(&shown), 1);
        assert_eq!(share.compare(&HashMap::new()).len(), 1);
    }
}
