//! What the client commands share: a connection to a running service.
