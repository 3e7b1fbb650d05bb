//! How RocksDB is set up: strict about what it reads, and cheap enough for 64 partitions in one process.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, BottommostLevelCompaction, Cache, CompactOptions,
    DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteBufferManager,
};

/// Memtable of one partition. A lone partition flushes when it is full; many share what [`Shared`] grants.
const MEMTABLE_BYTES: usize = 4 << 20;
/// Memtables grow by this much: an idle partition holds one such piece.
const MEMTABLE_PIECE_BYTES: usize = 64 << 10;
const BLOCK_BYTES: usize = 8 << 10;
/// One lookup of an absent key in a hundred reads a block in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Tables not compacted yet at which commits wait: each one is looked into by every read of an absent key.
const STOP_AT_TABLES: i32 = 36;
/// Tables are uploaded one at a time, each from memory.
const TABLE_BYTES: u64 = 16 << 20;
/// The list of tables is begun anew at this size, which is with every flush and compaction: it names keys, which shall not outlast
/// their tables, and each checkpoint uploads all of it. It is small: some hundred bytes for each table of 16 MiB.
const MANIFEST_BYTES: usize = 1;
/// RocksDB's own text log, of which one old file is kept.
const LOG_BYTES: usize = 1 << 20;

/// What all partitions of a process share: the cache of blocks read, and the memory of what is not flushed yet.
#[derive(Clone)]
pub struct Shared {
    cache: Cache,
    memtables: WriteBufferManager,
}

impl Shared {
    /// Little, for whoever looks at one record.
    pub fn for_a_look() -> Shared {
        Shared::new(1 << 20, 1 << 20)
    }

    /// `cache_bytes`: blocks, indexes and filters read from disk; too small, and every miss of a hot context reads and
    /// decompresses a block. `write_buffer_bytes`: memtables of all partitions together; when nine tenths are used the
    /// partition written to is flushed, so too small makes many small files, and too large makes replay at opening longer.
    pub fn new(cache_bytes: usize, write_buffer_bytes: usize) -> Shared {
        Shared {
            cache: Cache::new_lru_cache(cache_bytes),
            // No stalls: one writer thread serves all partitions, and the bound is worth less than their progress.
            memtables: WriteBufferManager::new_write_buffer_manager(write_buffer_bytes, false),
        }
    }
}

pub fn of_a_store(shared: &Shared) -> Result<Options, rocksdb::Error> {
    // Options that only a string can set. The first: a copy of a store must bring its logs, one without any does not open.
    // The second: a list of tables is not kept for being not much larger than a new one would be.
    let mut options = Options::default()
        .get_options_from_string("track_and_verify_wals=true;max_manifest_space_amp_pct=0")?;
    options.create_if_missing(true);
    options.set_paranoid_checks(true);
    // Replays a log up to the first record that is torn or missing, and nothing after it.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // Opens every file at once: one that is missing or torn is found now, not in the middle of a fold.
    options.set_max_open_files(-1);

    options.set_write_buffer_manager(&shared.memtables);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    // Writes are stopped when flushes or compactions fall behind, but never slowed down: a commit either waits its turn
    // outside of RocksDB or goes through.
    options.set_max_write_buffer_number(3);
    options.set_level_zero_slowdown_writes_trigger(STOP_AT_TABLES);
    options.set_level_zero_stop_writes_trigger(STOP_AT_TABLES);
    options.set_soft_pending_compaction_bytes_limit(0);
    options.set_hard_pending_compaction_bytes_limit(0);
    options.set_arena_block_size(MEMTABLE_PIECE_BYTES);
    options.set_manifest_preallocation_size(MEMTABLE_PIECE_BYTES);
    options.set_max_manifest_file_size(MANIFEST_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_block_based_table_factory(&tables(shared));
    options.set_target_file_size_base(TABLE_BYTES);
    options.set_max_background_jobs(2);
    options.set_max_file_opening_threads(2);
    options.set_bytes_per_sync(1 << 20);

    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(LOG_BYTES);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    Ok(options)
}

/// Rewrites every table, those at the bottom too, while flushes and other compactions go on.
pub fn of_a_purge() -> CompactOptions {
    let mut options = CompactOptions::default();
    options.set_exclusive_manual_compaction(false);
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options
}

fn tables(shared: &Shared) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&shared.cache);
    tables.set_block_size(BLOCK_BYTES);
    tables.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    // Indexes and filters count against the cache, so that memory stays bounded whatever the number of users. They are cut
    // in pieces: as one block they would outgrow a shard of the cache, and every read would fetch megabytes again.
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_cache_index_and_filter_blocks_with_high_priority(true);
    tables.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    tables.set_partition_filters(true);
    tables.set_pin_top_level_index_and_filter(true);
    tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
    tables
}
