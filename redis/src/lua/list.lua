-- prefix, hash of the principal
local index, found = X .. ':i:' .. ARGV[2], {1, now}
for _, hash in ipairs(redis.call('SMEMBERS', index)) do
  local h = live(hash)
  if h and h.forwarded == 0 and h.owner == ARGV[2] then
    for _, part in ipairs({hash, h.created, lifetime(h), redis.call('PTTL', h.key)}) do
      table.insert(found, part)
    end
  else
    redis.pcall('SREM', index, hash)
  end
end
return found
