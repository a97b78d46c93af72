using Fairlead.Dns.Answering;

namespace Fairlead.Dns.Server;

/// <summary>
/// What the Answerer leaves to others: transfers (RFC 5936, RFC 1995), NOTIFY (RFC 1996) and UPDATE (RFC 2136). It is
/// called on the server's threads, several at once, and must neither wait nor throw. It sees whole messages, a TSIG
/// record included.
/// </summary>
public interface IMessageHandler
{
    /// <summary>
    /// NOTIFY, UPDATE, IXFR over UDP, and every query that is signed (TSIG, RFC 8945). Writes the answer and gives its
    /// length; 0: not for this handler, and the answer is NOTIMP or REFUSED as without one.
    /// </summary>
    int Answer(ReadOnlySpan<byte> message, in Asker asker, Span<byte> response);

    /// <summary>
    /// AXFR and IXFR over a stream. Null: not for this handler, and the answer is REFUSED. What is refused for a reason
    /// of its own (NOTAUTH, a bad TSIG) is a stream of one message.
    /// </summary>
    IAnswerStream? Open(ReadOnlySpan<byte> query, in Asker asker);
}

/// <summary>
/// The messages of one transfer, made one by one as the client takes them. Disposed when it ends or breaks.
/// </summary>
public interface IAnswerStream : IDisposable
{
    /// <summary>Writes the next message into 65535 bytes and gives its length; 0: that was all.</summary>
    int Next(Span<byte> message);
}
