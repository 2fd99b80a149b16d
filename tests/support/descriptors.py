"""A descriptor set to decode messages with, as protoc writes it.

It was made by `protoc --include_imports --descriptor_set_out=shop.pb shop.proto` of this file:
"""

from __future__ import annotations

from base64 import b64decode

# syntax = "proto3";
# package shop.v1;
# import "google/protobuf/timestamp.proto";
# import "google/protobuf/any.proto";
# enum Kind { KIND_UNKNOWN = 0; BOOK = 1; TOY = 2; LOST = -1; }
# message Item {
#   string name = 1;
#   int32 count = 2;
#   sint32 delta = 3;
#   Kind kind = 4;
#   repeated int32 sizes = 5;
#   map<string, Price> prices = 6;
#   google.protobuf.Timestamp made = 7;
#   bytes blob = 8;
#   bool fragile = 9;
#   double weight = 10;
#   float ratio = 11;
#   fixed64 serial = 12;
#   sfixed32 shift = 13;
#   google.protobuf.Any extra = 14;
#   message Price { int64 cents = 1; string currency = 2; }
#   repeated Kind tags = 15;
#   repeated double points = 16;
#   map<int32, string> names = 17;
#   uint64 big = 18;
# }
# message GetItem { string id = 1; }
# service Shop { rpc Get(GetItem) returns (Item); rpc Watch(GetItem) returns (stream Item); }
SHOP = b64decode(
    "Cv8BCh9nb29nbGUvcHJvdG9idWYvdGltZXN0YW1wLnByb3RvEg9nb29nbGUucHJvdG9idWYiOwoJVGltZXN0YW1wEhgK"
    "B3NlY29uZHMYASABKANSB3NlY29uZHMSFAoFbmFub3MYAiABKAVSBW5hbm9zQoUBChNjb20uZ29vZ2xlLnByb3RvYnVm"
    "Qg5UaW1lc3RhbXBQcm90b1ABWjJnb29nbGUuZ29sYW5nLm9yZy9wcm90b2J1Zi90eXBlcy9rbm93bi90aW1lc3RhbXBw"
    "YvgBAaICA0dQQqoCHkdvb2dsZS5Qcm90b2J1Zi5XZWxsS25vd25UeXBlc2IGcHJvdG8zCuQBChlnb29nbGUvcHJvdG9i"
    "dWYvYW55LnByb3RvEg9nb29nbGUucHJvdG9idWYiNgoDQW55EhkKCHR5cGVfdXJsGAEgASgJUgd0eXBlVXJsEhQKBXZh"
    "bHVlGAIgASgMUgV2YWx1ZUJ2ChNjb20uZ29vZ2xlLnByb3RvYnVmQghBbnlQcm90b1ABWixnb29nbGUuZ29sYW5nLm9y"
    "Zy9wcm90b2J1Zi90eXBlcy9rbm93bi9hbnlwYqICA0dQQqoCHkdvb2dsZS5Qcm90b2J1Zi5XZWxsS25vd25UeXBlc2IG"
    "cHJvdG8zCu0HCgpzaG9wLnByb3RvEgdzaG9wLnYxGh9nb29nbGUvcHJvdG9idWYvdGltZXN0YW1wLnByb3RvGhlnb29n"
    "bGUvcHJvdG9idWYvYW55LnByb3RvItoFCgRJdGVtEhIKBG5hbWUYASABKAlSBG5hbWUSFAoFY291bnQYAiABKAVSBWNv"
    "dW50EhQKBWRlbHRhGAMgASgRUgVkZWx0YRIhCgRraW5kGAQgASgOMg0uc2hvcC52MS5LaW5kUgRraW5kEhQKBXNpemVz"
    "GAUgAygFUgVzaXplcxIxCgZwcmljZXMYBiADKAsyGS5zaG9wLnYxLkl0ZW0uUHJpY2VzRW50cnlSBnByaWNlcxIuCgRt"
    "YWRlGAcgASgLMhouZ29vZ2xlLnByb3RvYnVmLlRpbWVzdGFtcFIEbWFkZRISCgRibG9iGAggASgMUgRibG9iEhgKB2Zy"
    "YWdpbGUYCSABKAhSB2ZyYWdpbGUSFgoGd2VpZ2h0GAogASgBUgZ3ZWlnaHQSFAoFcmF0aW8YCyABKAJSBXJhdGlvEhYK"
    "BnNlcmlhbBgMIAEoBlIGc2VyaWFsEhQKBXNoaWZ0GA0gASgPUgVzaGlmdBIqCgVleHRyYRgOIAEoCzIULmdvb2dsZS5w"
    "cm90b2J1Zi5BbnlSBWV4dHJhEiEKBHRhZ3MYDyADKA4yDS5zaG9wLnYxLktpbmRSBHRhZ3MSFgoGcG9pbnRzGBAgAygB"
    "UgZwb2ludHMSLgoFbmFtZXMYESADKAsyGC5zaG9wLnYxLkl0ZW0uTmFtZXNFbnRyeVIFbmFtZXMSEAoDYmlnGBIgASgE"
    "UgNiaWcaTgoLUHJpY2VzRW50cnkSEAoDa2V5GAEgASgJUgNrZXkSKQoFdmFsdWUYAiABKAsyEy5zaG9wLnYxLkl0ZW0u"
    "UHJpY2VSBXZhbHVlOgI4ARo5CgVQcmljZRIUCgVjZW50cxgBIAEoA1IFY2VudHMSGgoIY3VycmVuY3kYAiABKAlSCGN1"
    "cnJlbmN5GjgKCk5hbWVzRW50cnkSEAoDa2V5GAEgASgFUgNrZXkSFAoFdmFsdWUYAiABKAlSBXZhbHVlOgI4ASIZCgdH"
    "ZXRJdGVtEg4KAmlkGAEgASgJUgJpZCo+CgRLaW5kEhAKDEtJTkRfVU5LTk9XThAAEggKBEJPT0sQARIHCgNUT1kQAhIR"
    "CgRMT1NUEP///////////wEyWgoEU2hvcBImCgNHZXQSEC5zaG9wLnYxLkdldEl0ZW0aDS5zaG9wLnYxLkl0ZW0SKgoF"
    "V2F0Y2gSEC5zaG9wLnYxLkdldEl0ZW0aDS5zaG9wLnYxLkl0ZW0wAWIGcHJvdG8z"
)
