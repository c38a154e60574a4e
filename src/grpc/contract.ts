import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { fileDescriptorSet } from '../../generated/descriptors';

/** The services and messages that the gateway serves, and the details of its errors, as descriptors. */
export const contract = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')),
);
