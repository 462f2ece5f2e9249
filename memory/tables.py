"""The layout of ``memory.db``: episodes with vectors, facts with sources."""

from __future__ import annotations

from persona_agent.memory.database import Migrations

# Episodes are clustered by user, so that a user's rows lie on neighbouring pages. The vector
# stands before the body, because a long body spills to overflow pages from its end.
# ``stamp`` changes with every write to a user's episodes: it tells other connections and processes
# whether what they hold in memory still is what is stored.
_VERSION_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE users (user_id TEXT PRIMARY KEY, stamp INTEGER NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE episodes (
        user_id TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,        -- microseconds since 1970
        task TEXT NOT NULL,
        outcome INTEGER NOT NULL,   -- code, 0: unknown
        vector BLOB NOT NULL,       -- float32
        metadata TEXT NOT NULL,     -- JSON
        body TEXT NOT NULL,         -- JSON of the whole episode
        PRIMARY KEY (user_id, id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX episodes_by_time ON episodes (user_id, at, id)",
    """
    CREATE TABLE facts (
        user_id TEXT NOT NULL,
        id TEXT NOT NULL,
        valid_from INTEGER NOT NULL,  -- microseconds since 1970
        current INTEGER NOT NULL,     -- 0 once superseded
        wording TEXT NOT NULL,        -- normalised text, by which duplicates are found
        body TEXT NOT NULL,           -- JSON of the whole fact
        PRIMARY KEY (user_id, id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX facts_by_time ON facts (user_id, valid_from, id)",
    """
    CREATE TABLE fact_sources (
        user_id TEXT NOT NULL,
        episode_id TEXT NOT NULL,
        fact_id TEXT NOT NULL,
        PRIMARY KEY (user_id, episode_id, fact_id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE distilled (
        user_id TEXT NOT NULL,
        episode_id TEXT NOT NULL,
        at INTEGER NOT NULL,           -- microseconds since 1970
        fingerprint INTEGER NOT NULL,  -- of what was known of the outcome then
        PRIMARY KEY (user_id, episode_id)
    ) WITHOUT ROWID
    """,
)

# The same for a user's facts; a user without facts has none.
_VERSION_2 = (
    "CREATE TABLE fact_stamps (user_id TEXT PRIMARY KEY, stamp INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO fact_stamps SELECT DISTINCT user_id, 0 FROM facts",
)

MEMORY_TABLES: Migrations = (_VERSION_1, _VERSION_2)
