-- prefix, hash of the principal, name of this operation, id that is kept or ''
local owner, name, kept = ARGV[2], ARGV[3], ARGV[4]
local key, index = X .. ':p:' .. owner, X .. ':i:' .. owner
local v = redis.call('GET', key)
-- Without a generation all sessions are revoked.
if not v then return {1, 0, 0} end
local before, last = v:match('^(%d+)|(.*)$')
before = tonumber(before)
-- It was repeated because its answer was lost.
if last == name then return {1, 0, before} end
local keeping = kept ~= '' and live(kept)
if keeping and (keeping.owner ~= owner or keeping.generation ~= before) then keeping = nil end
if kept ~= '' and not keeping then return {0} end
local generation = math.max(before + 1, now)
redis.call('SET', key, string.format('%d|', generation) .. name, 'KEEPTTL')
local ended = 0
for _, hash in ipairs(redis.call('SMEMBERS', index)) do
  if not keeping or hash ~= keeping.hash then
    local v = fetch(X .. ':s:' .. hash)
    if v and v:byte(1) == 1 and #v >= 126 then
      local h = unpacked(v)
      if h.bound and h.owner == owner and h.generation == before and (h.deadline == 0 or now < h.deadline) then
        ended = ended + 1
      end
      redis.call('UNLINK', X .. ':s:' .. hash)
    end
    redis.call('SREM', index, hash)
  end
end
if keeping then redis.call('SETRANGE', keeping.key, 38, struct.pack('<d', generation)) end
return {1, ended, generation}
