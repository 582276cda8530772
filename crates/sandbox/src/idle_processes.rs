//! Processes that wait for a request, by company.
//!
//! A process that was taken over by a hostile image keeps what it learns, and may falsify what it renders later. So it
//! serves one company for its whole life, and waits for that company's next image. There is room for twice as many
//! processes as can work at once: two companies that take turns need not start a process each time. When there is no
//! room, the process that has waited longest is ended.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::process::PooledProcess;

/// Idle processes, the one that has waited longest first.
#[derive(Debug)]
pub(super) struct IdleProcesses {
    processes: VecDeque<PooledProcess>,
    max_processes: usize,
}

impl IdleProcesses {
    /// Room for the processes of a pool that renders so many images at once.
    pub(super) fn new(concurrency: usize) -> Self {
        Self { processes: VecDeque::new(), max_processes: 2 * concurrency }
    }

    /// Takes the process of the company that has waited shortest, or else one that has not rendered yet.
    pub(super) fn take(&mut self, company: Uuid) -> Option<PooledProcess> {
        let find = |is_assigned: bool| {
            let can_take = |process: &PooledProcess| process.can_serve(company) && process.is_assigned() == is_assigned;
            self.processes.iter().rposition(can_take)
        };
        let position = find(true).or_else(|| find(false))?;
        self.processes.remove(position)
    }

    /// Keeps a process. Ends the one that has waited longest when there is no room.
    pub(super) fn put(&mut self, process: PooledProcess) {
        self.processes.push_back(process);
        self.make_room(0);
    }

    /// Ends processes until there is room for so many more.
    pub(super) fn make_room(&mut self, more: usize) {
        while self.processes.len() + more > self.max_processes && self.processes.pop_front().is_some() {}
    }
}
