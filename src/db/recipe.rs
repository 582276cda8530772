//! Recipes that nothing uses. They are inserted with their jobs ([`super::insert_job`]).

use offprint_core::Digest;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// Condition for a row `recipe` that neither a file nor the render cache uses. Each part is one look into an index.
macro_rules! unused_sql {
    () => {
        "not exists (select from export_file file
                      where file.recipe_id = recipe.recipe_id and file.company_id = recipe.company_id offset 0)
         and not exists (select from rendition
                          where rendition.recipe_id = recipe.recipe_id and rendition.company_id = recipe.company_id offset 0)"
    };
}

/// A recipe as retention looks at it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct RecipeUseRow {
    pub company_id: CompanyId,
    #[sqlx(try_from = "[u8; 32]")]
    pub recipe_id: Digest,
    pub is_unused: bool,
}

/// Lists the next thousand recipes of all companies after this one, and whether they are used.
pub async fn list_recipe_uses(pool: &PgPool, after: Option<(CompanyId, Digest)>) -> Result<Vec<RecipeUseRow>, DbError> {
    let sql = concat!(
        "select company_id, recipe_id, ",
        unused_sql!(),
        " as is_unused
           from (select company_id, recipe_id from recipe where $1::uuid is null or (company_id, recipe_id) > ($1, $2)
                  order by company_id, recipe_id limit 1000) recipe"
    );
    let (company, recipe) = after.unzip();
    Ok(sqlx::query_as(sql).bind(company).bind(recipe.map(Digest::to_bytes)).fetch_all(pool).await?)
}

/// Removes those of the recipes that nothing uses, and what they keep of other assets with them.
pub async fn remove_unused_recipes(
    connection: &mut DbConnection,
    company: CompanyId,
    recipes: &[Digest],
) -> Result<(), DbError> {
    let ids: Vec<[u8; 32]> = recipes.iter().map(|recipe| recipe.to_bytes()).collect();
    // Locked first: a job that is being created has locked those that it uses, and is seen by the next statement.
    sqlx::query("select from recipe where company_id = $1 and recipe_id = any($2) order by recipe_id for update")
        .bind(company)
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    let sql = concat!("delete from recipe where company_id = $1 and recipe_id = any($2) and ", unused_sql!());
    sqlx::query(sql).bind(company).bind(&ids).execute(connection).await?;
    Ok(())
}
