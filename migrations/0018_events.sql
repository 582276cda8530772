-- The log speaks of a stop as IPS documents do. Rows that a version before still writes during an update are told by the
-- old code.
update export_event set code = 'stopRequested' where code = 'stopOrdered';
