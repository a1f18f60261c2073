-- prefix, hash of the principal, generation, name of the operation
local v = redis.call('GET', X .. ':p:' .. ARGV[2])
if v and tonumber(v:match('^%d+')) < tonumber(ARGV[3]) then
  redis.call('SET', X .. ':p:' .. ARGV[2], ARGV[3] .. '|' .. ARGV[4], 'KEEPTTL')
end
return {1}
