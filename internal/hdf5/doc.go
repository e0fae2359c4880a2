// Package hdf5 reads and writes the subset of HDF5 that Keras and h5py use for models: groups,
// attributes of strings and numbers, arrays of floats and integers. See the HDF5 File Format
// Specification, https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
//
// It reads superblocks 0 to 3, with a user block; groups as symbol tables and compact links; soft
// links to datasets; object headers of both versions; contiguous, compact and chunked data
// (deflate, shuffle, fletcher32). Anything else is rejected with an error that names it and wraps
// errors.ErrUnsupported.
//
// # Damaged files
//
// A damaged file gives an error, never a panic. The reader claims every byte that it reads for one
// part of the file: parts of a good file do not overlap, so no part is read twice and their total
// cannot exceed the file. Whatever takes more memory than its bytes in the file counts against the
// file's budget (see package infile).
//
// # Why not an existing reader
//
// Bindings of the HDF5 library need cgo, which a static Go binary cannot have. A reader in pure Go
// such as github.com/scigolib/hdf5 aims at the whole format. This one reads what models need, but
// claims every byte of a file and rejects damaged ones. It also writes files that Keras 2 and 3
// open, with equal bytes for equal models.
package hdf5
