//! One object.

use http::Response;

use super::{super::failure::Failure, Body, Call, answer};

impl Call<'_> {
    pub(super) fn read(&self, name: &str) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        if let Some(asked) = super::list::version(&self.query)? {
            let now = self.api.store.with(|state| state.revision());
            if asked > now {
                return Err(super::list::too_large(asked, now));
            }
        }
        let object = self.api.get(resource, self.target.namespace(), name);
        let object = object.ok_or_else(|| Failure::not_found(resource, name))?;
        Ok(answer::json(
            200,
            answer::object(self.form, resource, &object, self.api.clock.now()),
        ))
    }
}
