local run = os.getenv("RUN") or "1"
local token = os.getenv("TOKEN")
local n, r = 0, 0
local head = "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
if token then head = head .. "Authorization: Bearer " .. token .. "\r\n" end
local numbers = {}
request = function()
  r = r % 20 + 1
  numbers[r] = (numbers[r] or 0) + 1
  local k = numbers[r]
  local message
  if k == 1 then message = '{"type":"F9","launchSpeed":500,"mission":"ARTEMIS"}' else message = '{"by":3000}' end
  local kind = k == 1 and "RocketLaunched" or "RocketSpeedIncreased"
  local body = string.format('{"metadata":{"channel":"%s-%d","messageNumber":%d,"messageTime":"2022-02-02T19:39:05.86337+01:00","messageType":"%s"},"message":%s}', run, r, k, kind, message)
  return head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end
