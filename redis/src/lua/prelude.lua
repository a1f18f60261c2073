-- What the scripts have in common. A record is described in src/record.rs. Each script answers a list, whose first
-- element says what has happened:
--   0 no such session   1 done   2 changed meanwhile   3 the id was replaced   4 logged out
--   5 the principal is full   6 bound to another principal   8 the key is taken   9 not a record
local X = ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- GETEX does what GET does, but the engine does not track the key if it is missing. So forged ids do not fill its
-- tracking table. An engine that takes no writes refuses it.
local function fetch(key)
  local v = redis.pcall('GETEX', key)
  if type(v) == 'table' then
    -- A former primary: it is not to be read either.
    if v.err:find('READONLY', 1, true) then return redis.call('GETEX', key) end
    v = redis.call('GET', key)
  end
  return v
end

local function unpacked(v)
  local h = {}
  h.flags, h.version, h.deadline, h.idle, h.created, h.cookie, h.generation = struct.unpack('<BI4ddddd', v, 2)
  h.bound = h.flags % 2 == 1
  h.audience, h.owner, h.principal, h.raw = v:sub(47, 62), v:sub(63, 94), v:sub(95, 126), v
  return h
end

local function packed(h, content)
  return struct.pack('<BBI4ddddd', 1, h.flags, h.version, h.deadline, h.idle, h.created, h.cookie, h.generation)
    .. h.audience .. h.owner .. h.principal .. content
end

-- How long the engine keeps the record from now on: a touch comes when an eighth of the idle timeout has passed. Two
-- milliseconds more, because the engine counts from the beginning of the script, and in whole milliseconds.
local function lifetime(h)
  local ttl = math.ceil(h.idle * 9 / 8)
  if h.deadline > 0 then ttl = math.min(ttl, h.deadline - now) end
  return math.max(ttl, 1) + 2
end

local function generation(owner)
  local v = redis.call('GET', X .. ':p:' .. owner)
  return v and tonumber(v:match('^%d+'))
end

-- What belongs to a principal outlives its sessions. It is renewed rarely, because that ends near copies of all of them.
local function keep(owner, ttl)
  for _, key in ipairs({X .. ':p:' .. owner, X .. ':i:' .. owner}) do
    if redis.call('PTTL', key) < 2 * ttl then redis.call('PEXPIRE', key, 16 * ttl) end
  end
end

-- The live session of an id, or nil and the reason.
local function live(hash)
  local key = X .. ':s:' .. hash
  local v, forwarded = fetch(key), 0
  if not v then
    local r = fetch(X .. ':r:' .. hash)
    if not r then return nil, 0 end
    if r:byte(1) ~= 1 then return nil, r:byte(1) end
    hash, forwarded = r:sub(2), 1
    key = X .. ':s:' .. hash
    v = fetch(key)
    if not v then return nil, 0 end
  end
  if v:byte(1) ~= 1 or #v < 126 then return nil, 9 end
  local h = unpacked(v)
  h.key, h.hash, h.forwarded = key, hash, forwarded
  if h.deadline > 0 and now >= h.deadline then return nil, 0 end
  if h.bound and generation(h.owner) ~= h.generation then
    redis.pcall('UNLINK', key)
    return nil, 0
  end
  return h
end

-- Touches a session if an eighth of its idle timeout has passed since the last time. Returns the time that is left, and
-- whether anything was written: then the engine does not track the keys any more.
local function touch(h)
  local left, ttl = redis.call('PTTL', h.key), lifetime(h)
  if left > h.idle or ttl <= left + 3 then return left, 0 end
  local done = redis.pcall('PEXPIRE', h.key, ttl, 'GT')
  if type(done) == 'table' then return left, 0 end
  if h.bound then keep(h.owner, ttl) end
  return ttl, 1
end

-- Applies timeouts: '' leaves one as it is, '0' takes it away.
local function limit(h, idle, absolute, cookie)
  if idle ~= '' then h.idle = tonumber(idle) end
  if absolute ~= '' then h.deadline = absolute == '0' and 0 or now + 1 + tonumber(absolute) end
  if cookie ~= '' then h.cookie = tonumber(cookie) end
end

-- Gives a session to a principal, if its limit allows. The session `except` does not count.
local function join(h, owner, principal, most, policy, except)
  local g = generation(owner)
  if not g then
    g = now
    redis.call('SET', X .. ':p:' .. owner, string.format('%d|', g))
  end
  h.flags, h.bound, h.owner, h.principal, h.generation = h.flags - h.flags % 2 + 1, true, owner, principal, g
  local index = X .. ':i:' .. owner
  if most == 0 or redis.call('SCARD', index) < most then return true end
  local others = {}
  for _, hash in ipairs(redis.call('SMEMBERS', index)) do
    local other = hash ~= except and live(hash)
    if other and other.forwarded == 0 and other.owner == owner then
      other.left = redis.call('PTTL', other.key)
      table.insert(others, other)
    elseif hash ~= except then
      redis.call('SREM', index, hash)
    end
  end
  if #others < most then return true end
  if policy == '0' then return false end
  table.sort(others, function(a, b) return a.left - a.idle < b.left - b.idle end)
  for n = 1, #others - most + 1 do
    redis.call('UNLINK', others[n].key)
    redis.call('SREM', index, others[n].hash)
  end
  return true
end
