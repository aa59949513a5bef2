-- Run by wrk. Its arguments are the file with the request, the same bytes as any other tool sends,
-- and the milliseconds that a connection pauses before it asks again, on average.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local request = file:read("*a")
  file:close()
  -- What wrk calls, once, for the bytes that it sends: its own has no room for those of a file.
  wrk.format = function() return request end
  local pause = tonumber(args[2])
  if pause > 0 then
    math.randomseed(6) -- the same in each run
    -- Of an exponential distribution, so that no two keep step.
    delay = function() return math.floor(0.5 - pause * math.log(1 - math.random())) end
  end
end

-- Latencies are in microseconds.
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"duration": %.0f, "requests": %.0f, "bytes": %.0f, "status": %.0f, "timeout": %.0f, '
      .. '"socket": %.0f, "p50": %.3f, "p99": %.3f, "p999": %.3f, "max": %.3f, "mean": %.3f}\n',
    summary.duration, summary.requests, summary.bytes, errors.status, errors.timeout,
    errors.connect + errors.read + errors.write,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    latency.max, latency.mean
  ))
end
