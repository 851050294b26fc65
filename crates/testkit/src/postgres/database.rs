//! A database of its own for each test.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Whether the server takes queries; if not, why.
pub(super) fn answers(url: &str) -> Result<(), String> {
    block_on(async {
        let mut server = PgConnection::connect(url).await?;
        server.execute("SELECT 1").await?;
        server.close().await
    })
    .map_err(|error| error.to_string())
}

/// Creates an empty database in the server of `url`, and gives its URL.
pub(super) fn create(url: &str) -> String {
    let name = format!("tiermesh_test_{:016x}", rand::random::<u64>());
    let done = block_on(async {
        let mut server = PgConnection::connect(url).await?;
        // Not from template1, to which somebody may be connected.
        server.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await?;
        server.close().await
    });
    done.unwrap_or_else(|error| panic!("can't create a database in the PostgreSQL of the tests: {error}"));
    with_database(url, &name)
}

/// On a thread of its own, since the caller's may be one of tokio's, where blocking on a future is refused.
fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime of one thread can be built").block_on(future)
        };
        scope.spawn(run).join().expect("it returns errors, and doesn't panic")
    })
}

/// The same URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let (scheme, authority) = address.split_once("://").unwrap_or(("postgres", address));
    let authority = authority.split('/').next().unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}/{database}{query}")
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_is_replaced() {
        assert_eq!(with_database("postgres://u:p@h:1/a", "b"), "postgres://u:p@h:1/b");
        assert_eq!(with_database("postgres://h", "b"), "postgres://h/b");
        assert_eq!(with_database("postgres://h/a?sslmode=disable", "b"), "postgres://h/b?sslmode=disable");
    }
}
