/** @file Table of contents. */
