"""What Azure's PostgreSQL has beside PostgreSQL's own, as far as it is documented: the functions for roles of Entra principals.

https://learn.microsoft.com/azure/postgresql/security/security-manage-entra-users
"""

ENTRA_ROLES = "azure_entra_roles"
"""The simulation's own: those whose passwords are tokens."""


def azure_functions(new_role: str = f"CREATE ROLE %1$I LOGIN IN ROLE {ENTRA_ROLES}") -> str:
    """Statements for the database `postgres`, run as a superuser. `new_role` makes a role %1 for the principal %2."""
    return "SET allow_system_table_mods = on; " + "; ".join(
        (
            "CREATE ROLE azure_pg_admin NOLOGIN",
            f"CREATE ROLE {ENTRA_ROLES} NOLOGIN",
            """CREATE TABLE public.principals
            (role name, kind text, object_id text, tenant_id text, is_mfa integer, is_admin integer)""",
            """CREATE FUNCTION pg_catalog.pgaadauth_list_principals(only_admins boolean)
            RETURNS TABLE (rolename name, principaltype text, objectid text, tenantid text, ismfa integer, isadmin integer)
            LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM public.principals WHERE is_admin = 1 OR NOT only_admins'""",
            f"""CREATE FUNCTION pg_catalog.pgaadauth_create_principal_with_oid(
                role text, object_id text, kind text, is_admin boolean, is_mfa boolean)
            RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                EXECUTE format('{new_role}', role, object_id);
                INSERT INTO public.principals VALUES (role, kind, object_id, '', is_mfa::integer, is_admin::integer);
                RETURN 'Created role for "' || role || '"';
            END $$""",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pgaadauth_create_principal_with_oid FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION pg_catalog.pgaadauth_create_principal_with_oid TO azure_pg_admin",
        )
    )
