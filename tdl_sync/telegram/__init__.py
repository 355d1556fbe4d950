"""The room of the library for Telegram, and the only one that imports it: ``session`` below
``messages`` below ``files``. It may import options and core."""

from tdl_sync.telegram.session.schema_on_demand import import_on_demand

# Before the library is imported, which is done by modules of this package alone.
import_on_demand()
