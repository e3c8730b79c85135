//! The formats that this program was built without: nobody ever has one of them.

#![allow(dead_code, reason = "one of them may have been built")]

use std::fs::File;
use std::path::Path;

use crate::table::{Row, Table};
use crate::writer::TableError;

pub(crate) enum ParquetFile {}

impl ParquetFile {
    pub(crate) fn begin(_: &Table) -> Result<Self, TableError> {
        Err(TableError::NotBuilt)
    }

    pub(crate) fn write(&mut self, _: Vec<Row>) -> Result<(), TableError> {
        match *self {}
    }

    pub(crate) fn take(&mut self) -> Result<Vec<u8>, TableError> {
        match *self {}
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, TableError> {
        match self {}
    }
}

pub(crate) enum Book {}

impl Book {
    pub(crate) fn begin(_: &Table, _: &Path) -> Result<Self, TableError> {
        Err(TableError::NotBuilt)
    }

    pub(crate) fn write(&mut self, _: &Table, _: &[Row]) -> Result<(), TableError> {
        match *self {}
    }

    pub(crate) fn finish(self) -> Result<File, TableError> {
        match self {}
    }
}
