//! What an export is: order to draft job, names, refusals, outcome, mail rule, state machine. No SQL, no HTTP.
