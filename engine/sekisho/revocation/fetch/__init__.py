"""CRLs brought into a watched folder, over HTTP and LDAP: the one part of sekisho that calls out.

It is a command of its own (`sekisho revocation fetch`), best run as a user of its own: the engine imports nothing of it
and never waits for it.  Whether a CRL is to be believed is decided by who reads the folder; here only its shape is
looked at.  A file appears under its name whole or not at all.

    from sekisho.revocation.fetch.fetcher import Fetcher    # needs the extra sekisho[fetch]: urllib3 and ldap3
    from sekisho.revocation.fetch.folder import Folder
    from sekisho.revocation.fetch.sources import plan_of_toml

    plan = plan_of_toml(Path("sources.toml"))
    with Folder(plan.folder) as folder, Fetcher(plan, folder) as fetcher:
        outcomes = fetcher.round()
"""
