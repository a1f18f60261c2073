-- For wrk, as ci/load.sh runs it: requests of many logged-in browsers in turn. METHOD is that of the request, COOKIES names a file with a cookie on each line.
local requests = {}
local turn = 0

function init()
  for cookie in io.lines(os.getenv("COOKIES")) do
    requests[#requests + 1] = wrk.format(os.getenv("METHOD"), nil, { ["Cookie"] = cookie })
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %.1f %d %d\n", summary.requests / (summary.duration / 1e6), latency:percentile(99), errors))
end
