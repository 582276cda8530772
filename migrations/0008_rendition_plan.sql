-- How a rendition was made, in words for people: the decoder's shrink, the steps, the estimate. Null for those that an
-- older version made.
alter table rendition add column plan text;
