-- For wrk: every request posts one message that was not sent before. Each
-- thread has rockets of its own and sends their messages in order, in turns;
-- with several connections in a thread they arrive nearly in order.
--
-- The message is that of the challenge's launcher: its launch is number 1, and
-- changes of speed follow. Requests are put together from prepared pieces, so
-- that writing them costs the client as little as can be.
--
-- Environment: RUN, a number that no earlier run against the same server had.

local ROCKETS = 20
local TIME = "2025-04-02T09:21:50.458989221+02:00"

local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

local rockets, turn = {}, 0
local tried = false

local function pieces(channel, kind, message)
  local before = '{"metadata":{"channel":"' .. channel .. '","messageNumber":'
  local after = ',"messageType":"' .. kind .. '","messageTime":"' .. TIME .. '"},"message":' .. message .. '}'
  local heads = {}
  for digits = 1, 15 do
    heads[digits] = "POST /messages HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nContent-Type: application/json\r\nContent-Length: "
      .. (#before + digits + #after) .. "\r\n\r\n" .. before
  end
  return { heads = heads, after = after }
end

function init(args)
  local run = tonumber(os.getenv("RUN") or "0")
  for n = 1, ROCKETS do
    local channel = string.format("%08x-38fd-52e2-916f-%04x%08x", run, id, n)
    rockets[n] = {
      number = 0,
      launch = pieces(channel, "RocketLaunched", '{"type":"Atlas-H","launchSpeed":500,"mission":"APOLLO"}'),
      faster = pieces(channel, "RocketSpeedIncreased", '{"by":3000}'),
    }
  end
end

function request()
  if id == 0 and not tried then
    -- wrk asks its first thread for a request that it only checks, and never
    -- sends; the number of that one must not be missing.
    tried = true
    return rockets[1].launch.heads[1] .. "1" .. rockets[1].launch.after
  end
  turn = turn % ROCKETS + 1
  local rocket = rockets[turn]
  local number = rocket.number + 1
  rocket.number = number
  local with = number == 1 and rocket.launch or rocket.faster
  local digits = tostring(number)
  return with.heads[#digits] .. digits .. with.after
end

-- One line for compare.sh: requests, microseconds, requests that were not
-- answered with 2xx, requests that were not answered, p50 and p99 in
-- microseconds.
function done(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT %d %d %d %d %d %d", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
