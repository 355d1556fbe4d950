from tdl_sync.cli import main

raise SystemExit(main())
