// Package freemem says how much memory a program may take.
package freemem
