//! `GET /missions?detail=true`: the missions with what is known of their rockets.
//! Does not own how that is found out (`fleet`).

use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use warp::reply::Response;

use super::context::Context;
use super::problem::Problem;
use super::respond::json;
use crate::fleet::outcome::QueryError;
use crate::fleet::query::{Figures, MissionTable};

/// Missions that are shown each by itself.
const SHOWN: usize = 100;

/// As it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = MissionFigures)]
pub struct Answer<'a> {
    /// At most 100, the largest first.
    missions: Vec<Row<'a>>,
    /// All others, if there are any.
    #[schema(required)]
    rest: Option<Rest>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MissionFigure)]
struct Row<'a> {
    mission: &'a str,
    rockets: u64,
    exploded: u64,
    speed: Speed,
}

/// All missions that are not shown.
#[derive(Serialize, ToSchema)]
#[schema(as = OtherMissions)]
struct Rest {
    missions: usize,
    rockets: u64,
    exploded: u64,
    speed: Speed,
}

/// In the senders' unit.
#[derive(Serialize, ToSchema)]
struct Speed {
    mean: f64,
    lowest: i64,
    highest: i64,
}

impl Speed {
    fn of(figures: &Figures) -> Self {
        Self { mean: figures.mean(), lowest: figures.lowest, highest: figures.highest }
    }
}

/// The largest missions, and the rest as one.
///
/// # Errors
/// 503 when the fleet does not answer in time, or others ask for the same for too
/// long.
pub async fn get(context: &Context) -> Result<Response, Problem> {
    let deadline = Instant::now() + context.config.request_timeout;
    // One at a time: what it takes grows with the missions.
    let permit = timeout_at(deadline, context.mission_figures.acquire()).await;
    let permit = permit.map_err(|_| QueryError::TooManyCollected)?;
    let MissionTable { missions, rest } = context.fleet.mission_figures(SHOWN, deadline).await?;
    drop(permit);
    let missions = missions.iter().map(|(mission, figures)| Row {
        mission,
        rockets: figures.rockets,
        exploded: figures.exploded,
        speed: Speed::of(figures),
    });
    let rest = rest.map(|(missions, figures)| Rest {
        missions,
        rockets: figures.rockets,
        exploded: figures.exploded,
        speed: Speed::of(&figures),
    });
    Ok(json(&Answer { missions: missions.collect(), rest }))
}
