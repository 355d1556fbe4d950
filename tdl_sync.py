from tdl_sync.cli.main import main

raise SystemExit(main())
