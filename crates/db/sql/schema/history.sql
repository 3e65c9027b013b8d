-- Whatever table it is: a column that it lacks is null.
select entry ->> 'version' as version, entry ->> 'name' as name, entry ->> 'checksum' as checksum
from HISTORY as history, to_jsonb(history.*) as entry
order by length(entry ->> 'version'), 1
