//! wrk as a client. Its requests have to be written by a script of its own: every
//! message must be a new one, since one fixed body would be a duplicate from the
//! second request on, which the journal never sees. So the script stays, as short
//! as can be; the messages in it are those of message.rs. Does not own what is
//! done with the result.

use std::fmt::Write as _;
use std::io::Result;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::message::{self, Frame};

const ROCKETS: u32 = 20;

/// Requests are put together from prepared pieces, so that writing them costs as
/// little as a script can. wrk asks for a first request that it only checks and
/// never sends: the number of that one must not be missing.
const SCRIPT: &str = r#"
local rockets, turn, tried = {}, 0, false

local function frame(before, after)
  local heads = {}
  for digits = 1, 15 do
    heads[digits] = "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      .. (#before + digits + #after) .. "\r\n\r\n" .. before
  end
  return { heads = heads, after = after }
end

local function rocket(launch, faster)
  rockets[#rockets + 1] = { number = 0, launch = launch, faster = faster }
end

function request()
  if not tried then
    tried = true
    return rockets[1].launch.heads[1] .. "1" .. rockets[1].launch.after
  end
  turn = turn % #rockets + 1
  local rocket = rockets[turn]
  local number = rocket.number + 1
  rocket.number = number
  local with = number == 1 and rocket.launch or rocket.faster
  local digits = tostring(number)
  return with.heads[#digits] .. digits .. with.after
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT %d %d %d %d %d %d", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// wrk counts in whole seconds.
pub fn arguments(connections: &str, seconds: f64, address: &str) -> String {
    let seconds = seconds.ceil();
    format!("-t 1 -c {connections} -d {seconds}s -s SCRIPT http://{address}/messages")
}

fn script() -> String {
    let mut script = SCRIPT.to_owned();
    for n in 0..ROCKETS {
        let channel = message::channel(0, n);
        let frame = |event| {
            let Frame { before, after } = Frame::new(&channel, event);
            format!("frame([[{before}]], [[{after}]])")
        };
        let (launch, faster) = (frame(message::LAUNCHED), frame(message::FASTER));
        // Cannot fail: a string takes all.
        let _ = writeln!(script, "rocket({launch}, {faster})");
    }
    script
}

/// The command for one run, with its script written into `scratch`.
pub fn command(
    scratch: &Path,
    address: SocketAddr,
    connections: usize,
    seconds: f64,
) -> Result<Command> {
    let path = scratch.join("wrk.lua");
    std::fs::write(&path, script())?;
    let mut command = Command::new("wrk");
    let arguments = arguments(&connections.to_string(), seconds, &address.to_string());
    command.args(arguments.split(' ').map(|argument| match argument {
        "SCRIPT" => path.as_os_str(),
        other => other.as_ref(),
    }));
    Ok(command)
}
