/**
 * @since 0.1.0
 */
export * as AccessToken from "./AccessToken.ts"
export * as Bulk from "./Bulk.ts"
export * as Conversation from "./Conversation.ts"
export * as ConversationUpdate from "./ConversationUpdate.ts"
export * as Conversations from "./Conversations.ts"
export * as ErrorBody from "./ErrorBody.ts"
export * as HighLevelApi from "./HighLevelApi.ts"
export * as HighLevelError from "./HighLevelError.ts"
export * as Journal from "./Journal.ts"
export * as OAuth from "./OAuth.ts"
export * as OAuthApi from "./OAuthApi.ts"
export * as Quota from "./Quota.ts"
export type * as QuotaStore from "./QuotaStore.ts"
export * as TokenStore from "./TokenStore.ts"
export * as UpdateMetrics from "./UpdateMetrics.ts"
export * as UpdateQueue from "./UpdateQueue.ts"
