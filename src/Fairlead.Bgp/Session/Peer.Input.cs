using System.Buffers.Binary;
using System.ComponentModel;
using System.Net;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Session;

/// <summary>The half of Peer that dials, reads the stream, and turns messages into events.</summary>
internal sealed partial class Peer
{
    private const byte Cs6 = 0xc0;
    private const int HopsMax = 255;

    /// <summary>The socket is readable. At most one buffer a turn, so that no peer starves the others.</summary>
    public void OnReadable(Connection connection)
    {
        if (connection.Socket is not { } socket || connection.State < SessionState.OpenSent) return;
        int read = socket.Receive(connection.Input.AsSpan(connection.InputLength));
        if (read is -Libc.EAGAIN or -Libc.EINTR) return;
        if (read <= 0)
        {
            string why = read == 0 ? "the peer closed the connection" : $"receive: {new Win32Exception(-read).Message}";
            Feed(connection, SessionEvent.TcpFails, why: why);
            return;
        }

        connection.InputLength += read;
        ReadMessages(connection);
    }

    /// <summary>The socket is writable: a connect has ended, or there is room again.</summary>
    public void OnWritable(Connection connection)
    {
        if (connection.State != SessionState.Connect || connection.Socket is not { } socket) return;
        int error = socket.PendingError();
        if (error == 0) Feed(connection, SessionEvent.TcpConnected);
        else Feed(connection, SessionEvent.TcpFails, why: $"connect: {new Win32Exception(error).Message}");
    }

    private void Dial(Connection connection)
    {
        KernelSocket socket = KernelSocket.Tcp(options.Address.AddressFamily);
        IPAddress remote = RemoteAddress;
        connection.Socket = socket;
        Prepare(socket);
        int error = 0;
        if (options.Password is { } password) error = socket.Md5Password(remote, password);
        if (error == 0 && options.LocalAddress is { } local)
        {
            _ = socket.ReuseAddress();
            error = socket.Bind(InterfaceIndex.Scoped(local, options.Interface), 0);
        }

        if (error == 0) error = socket.Connect(remote, options.Port);
        // A connect that ends at once is reported by the poll, as one that takes its time.
        if (error is 0 or Libc.EINPROGRESS) return;
        Feed(connection, SessionEvent.TcpFails, why: $"connect: {new Win32Exception(error).Message}");
    }

    private void Prepare(KernelSocket socket)
    {
        _ = socket.NoDelay();
        _ = socket.TrafficClass(Cs6);
        // RFC 5082 §3: always 255, so that a peer with TTL security takes us without being told; whether we ask the
        // same of it is the operator's choice.
        _ = socket.SendHops(HopsMax);
        _ = socket.RequireHops(options.TtlSecurity ? HopsMax + 1 - options.Hops : 0);
    }

    private void ReadMessages(Connection connection)
    {
        int at = 0;
        while (connection.Socket is not null)
        {
            ReadOnlySpan<byte> rest = connection.Input.AsSpan(at, connection.InputLength - at);
            // RFC 8654 §4: we have said that we take the long ones, so the peer may send them at once.
            if (!Message.TryFrame(
                rest, Message.ExtendedSizeMax, out MessageType type, out int length, out Notification? fault))
            {
                if (fault is not null) Feed(connection, SessionEvent.HeaderError, fault);
                break;
            }

            at += length;
            DumpMessages(rest[..length], ours: false, connection.Agreed);
            OnMessage(connection, type, rest[Message.HeaderSize..length]);
        }

        if (connection.Socket is null) return;
        connection.Input.AsSpan(at, connection.InputLength - at).CopyTo(connection.Input);
        connection.InputLength -= at;
    }

    private void OnMessage(Connection connection, MessageType type, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case MessageType.Open:
                OnOpen(connection, body);
                break;
            case MessageType.Update when connection.State == SessionState.Established:
                OnUpdate(connection, body);
                break;
            case MessageType.Update:
                Feed(connection, SessionEvent.Update);
                break;
            case MessageType.Notification:
                Notification received = Notification.Read(body);
                Feed(connection, SessionEvent.Notification, received, $"received: {received}");
                break;
            case MessageType.Keepalive:
                Feed(connection, SessionEvent.Keepalive);
                break;
            default:
                OnRouteRefresh(connection, body);
                break;
        }
    }

    private void OnRouteRefresh(Connection connection, ReadOnlySpan<byte> body)
    {
        bool enhanced = connection.Agreed?.EnhancedRefresh == true;
        var read = Message.ReadRouteRefresh(body, enhanced, out Notification? fault);
        if (read is not (BgpFamily family, RefreshKind kind))
        {
            Feed(connection, SessionEvent.HeaderError, fault);
            return;
        }

        Feed(connection, SessionEvent.RouteRefresh);
        // RFC 2918 §4: a family that was not agreed on is ignored.
        if (connection.RibOut is not { } ribOut || !connection.Agreed!.Families.Contains(family)) return;
        if (kind == RefreshKind.Request && ribOut.Refresh(family)) told = null;
        else if (kind == RefreshKind.Begin) ribIn.BeginAgain(family);
        else if (kind == RefreshKind.End) ribIn.Sweep(family);
    }

    private void OnOpen(Connection connection, ReadOnlySpan<byte> body)
    {
        if (connection.State != SessionState.OpenSent)
        {
            Feed(connection, SessionEvent.Open);
            return;
        }

        OpenMessage? open = OpenMessage.TryRead(body, out Notification? fault);
        Negotiation? agreed = open is null ? null : Negotiation.TryAgree(options, open, out fault);
        if (agreed is null)
        {
            Feed(connection, SessionEvent.OpenError, fault);
            return;
        }

        if (LosesCollision(connection, agreed))
        {
            Feed(connection, SessionEvent.CollisionDump);
            return;
        }

        connection.Agreed = agreed;
        connection.Context = agreed.ContextFor(options);
        Feed(connection, SessionEvent.Open);
    }

    // RFC 4271 §6.8: looked at when an OPEN has come and the other connection is past its own.
    private bool LosesCollision(Connection connection, Negotiation agreed)
    {
        Connection? other = connection == dialled ? accepted : dialled;
        if (other is null || other.State < SessionState.OpenConfirm) return false;
        if (other.State == SessionState.Established) return true;
        bool keepsThis = Negotiation.KeepsDialled(options, agreed.PeerRouterId) == connection.Dialled;
        if (keepsThis) Feed(other, SessionEvent.CollisionDump);
        return !keepsThis;
    }

    private void OnUpdate(Connection connection, ReadOnlySpan<byte> body)
    {
        updatesIn++;
        UpdateAction action = UpdateReader.Read(body, connection.Context, content);
        if (action != UpdateAction.Accept) OnMalformed();
        if (action == UpdateAction.SessionReset)
        {
            Feed(connection, SessionEvent.UpdateError, content.Fault);
            return;
        }

        Feed(connection, SessionEvent.Update);
        ribIn.Take(content, loop.Time.GetUtcNow());
        if (content.EndOfRib is { } ended && staleUntil != Connection.Never) ribIn.Sweep(ended);
        foreach (BgpFamily family in connection.Agreed!.Families)
        {
            if (ribIn.CountOf(family) <= options.PrefixesMax) continue;
            Feed(connection, SessionEvent.TooManyPrefixes, TooManyPrefixes(family));
            return;
        }
    }

    private Notification TooManyPrefixes(BgpFamily family)
    {
        // RFC 4486 §4: AFI, SAFI and the upper bound.
        Span<byte> data = stackalloc byte[7];
        BinaryPrimitives.WriteUInt16BigEndian(data, family.Afi);
        data[2] = family.Safi;
        BinaryPrimitives.WriteUInt32BigEndian(data[3..], (uint)options.PrefixesMax);
        return new Notification(NotificationCode.Cease, CeaseSubcode.MaxPrefixes, data);
    }

    // A peer may send thousands of these: all are counted, one a second is told.
    private void OnMalformed()
    {
        malformedIn++;
        discardedIn += content.Discarded;
        if (content.Action == UpdateAction.TreatAsWithdraw) withdrawnByFault += content.Withdrawn.Count;
        if (loop.Now < nextReport) return;
        nextReport = loop.Now + ReportEvery;
        loop.Emit(new BgpEvent.MalformedUpdate(options.Name, content.Describe()));
    }
}
