// Command s3 is the object store of the demo and the tests: versitygw, a server of the API of S3, with files on the local disk.
//
// It writes objects and their attributes below --data-dir, and listens on --listen. Its one account comes from the environment,
// S3_ACCESS_KEY and S3_SECRET_KEY. With --cert and --key it serves TLS. Of versitygw it runs S3 alone: no administration, no
// notifications, no website, and no accounts beside that one.
package main
