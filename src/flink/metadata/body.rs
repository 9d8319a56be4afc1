//! Between head and trailer: the state of masters, operators and subtasks.

use std::io;

use super::source::Source;
use super::{FileRef, Operator, ReadError};

const MASTER_STATE: i32 = 0xc96b_1696_u32.cast_signed();
/// From here on operators have names and uids.
const NAMES: u32 = 5;
/// From here on a subtask may say from which checkpoint its state was taken over.
const REFERENCE_IDS: u32 = 7;

pub(super) struct Body<'a, R> {
    pub(super) source: &'a mut Source<R>,
    pub(super) version: u32,
    pub(super) each: &'a mut dyn FnMut(FileRef),
}

impl<'a, R: io::Read> Body<'a, R> {
    pub(super) fn new(source: &'a mut Source<R>, version: u32, each: &'a mut dyn FnMut(FileRef)) -> Self {
        Self { source, version, each }
    }

    pub(super) fn read(mut self) -> Result<Vec<Operator>, ReadError> {
        for _ in 0..self.source.count("the number of master states")? {
            self.master_state()?;
        }
        // Not sized by the count: the file may say anything.
        let mut operators = Vec::new();
        for _ in 0..self.source.count("the number of operators")? {
            operators.push(self.operator()?);
        }
        Ok(operators)
    }

    fn master_state(&mut self) -> Result<(), ReadError> {
        let offset = self.source.offset();
        if self.source.int("a master state's magic number")? != MASTER_STATE {
            return Err(ReadError::damaged(offset, "a master state does not begin with its magic number"));
        }
        let length = u64::from(self.source.count("a master state's length")?);
        let begin = self.source.offset();
        self.source.int("a master state's version")?;
        self.source.skip_text("a master state's name")?;
        let count = self.source.count("the number of a master state's bytes")?;
        self.source.skip(count.into(), "a master state")?;
        if self.source.offset() - begin != length {
            return Err(ReadError::damaged(begin, format!("a master state should have {length} bytes")));
        }
        Ok(())
    }

    fn operator(&mut self) -> Result<Operator, ReadError> {
        let (mut name, mut uid) = (None, None);
        if self.version >= NAMES {
            name = Some(self.source.text("an operator's name")?).filter(|name| !name.is_empty());
            uid = Some(self.source.text("an operator's uid")?).filter(|uid| !uid.is_empty());
        }
        let id = format!("{:032x}", u128::from_be_bytes(self.source.array("an operator's id")?));
        let offset = self.source.offset();
        let parallelism = self.source.count("an operator's parallelism")?;
        let max_parallelism = self.source.count("an operator's maximum parallelism")?;
        if parallelism > max_parallelism {
            let what = format!("operator {id} has parallelism {parallelism}, above its maximum of {max_parallelism}");
            return Err(ReadError::damaged(offset, what));
        }
        let coordinator = self.coordinator_state()?;
        let offset = self.source.offset();
        let bytes = match self.source.int("an operator's number of subtasks")? {
            // Finished as a whole.
            -1 if coordinator.is_none() => 0,
            -1 => return Err(ReadError::damaged(offset, format!("operator {id} is finished, but has state"))),
            count => match u32::try_from(count) {
                Ok(count) if count <= parallelism => self.subtasks(count, parallelism)?,
                _ => {
                    let what = format!("operator {id} has {count} subtasks, but parallelism {parallelism}");
                    return Err(ReadError::damaged(offset, what));
                }
            },
        };
        let bytes = bytes.saturating_add(coordinator.unwrap_or_default());
        Ok(Operator { id, name, uid, parallelism, max_parallelism, bytes })
    }

    fn subtasks(&mut self, count: u32, parallelism: u32) -> Result<u64, ReadError> {
        let mut bytes: u64 = 0;
        for _ in 0..count {
            let offset = self.source.offset();
            let index = self.source.int("a subtask's index")?;
            // A finished one has no state, and its index is written as its complement.
            let (index, finished) = if index < 0 { (!index, true) } else { (index, false) };
            if u32::try_from(index).is_ok_and(|index| index >= parallelism) {
                let what = format!("subtask {index} is of an operator with parallelism {parallelism}");
                return Err(ReadError::damaged(offset, what));
            }
            if !finished {
                bytes = bytes.saturating_add(self.subtask()?);
            }
        }
        Ok(bytes)
    }

    fn subtask(&mut self) -> Result<u64, ReadError> {
        let mut bytes: u64 = 0;
        // Managed, and raw.
        for _ in 0..2 {
            if self.source.int("whether a subtask has operator state")? != 0 {
                bytes = bytes.saturating_add(self.operator_state()?);
            }
        }
        for _ in 0..2 {
            bytes = bytes.saturating_add(self.keyed_state(0)?);
        }
        // Of inputs, and of outputs.
        for _ in 0..2 {
            for _ in 0..self.source.count("the number of a subtask's channel states")? {
                bytes = bytes.saturating_add(self.channel_state()?);
            }
        }
        if self.version >= REFERENCE_IDS && self.source.byte("whether a subtask refers to a checkpoint")? == 1 {
            self.source.long("the checkpoint that a subtask refers to")?;
        }
        Ok(bytes)
    }
}
