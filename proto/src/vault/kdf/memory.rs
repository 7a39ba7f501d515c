//! The memory that a derivation works in: one mapping of its own, which costs as few page faults as the kernel allows.

use argon2::Block;
use memmap2::{Advice, MmapMut, MmapOptions};

/// Of x86-64, and of other machines with pages of 4 KiB. Where huge pages are larger the kernel makes of it what it can.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

/// Blocks, all zero. Overwritten, then given back to the kernel, when dropped.
pub(super) struct Memory {
    map: MmapMut,
    /// Where the blocks begin in it: at a border of huge pages.
    start: usize,
    count: usize,
}

impl Memory {
    /// So many blocks; `None` where the system has not the memory.
    pub(super) fn new(count: usize) -> Option<Self> {
        let bytes = count.checked_mul(Block::SIZE)?;
        let map = MmapOptions::new().len(bytes.checked_add(HUGE_PAGE)?).map_anon().ok()?;
        let start = map.as_ptr().align_offset(HUGE_PAGE);
        // 64 MiB are 16,384 page faults otherwise, a third of the time. Kernels without either bring the pages in one by one.
        let _ = map.advise_range(Advice::HugePage, start, bytes);
        let _ = map.advise_range(Advice::PopulateWrite, start, bytes);
        Some(Self { map, start, count })
    }

    #[allow(unsafe_code)]
    pub(super) fn blocks(&mut self) -> &mut [Block] {
        let bytes = &mut self.map[self.start..][..self.count * Block::SIZE];
        // SAFETY: a block is 128 numbers of 64 bits, for which any bytes will do; whatever is no whole, aligned block is
        // left aside.
        let (before, blocks, _) = unsafe { bytes.align_to_mut::<Block>() };
        debug_assert!(before.is_empty());
        blocks
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let used = &mut self.map[self.start..][..self.count * Block::SIZE];
        used.fill(0);
        // What is never read again would not have to be written.
        std::hint::black_box(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_there_whole_and_zero() {
        for count in [1, 8, 2048, 2049] {
            let mut memory = Memory::new(count).expect("memory");
            let blocks = memory.blocks();
            assert_eq!(blocks.len(), count);
            assert!(blocks.iter().flat_map(AsRef::as_ref).all(|number| *number == 0));
            for block in blocks {
                block.as_mut().fill(1);
            }
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        assert!(Memory::new(usize::MAX / 2).is_none());
        assert!(Memory::new(1 << 50).is_none());
    }
}
